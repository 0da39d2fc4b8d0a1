//! The plots of the page, as SVG. Colours are placeholders that the page's style sheet replaces, so that one drawing does
//! for light and dark.

use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        RGBColor,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::eval::{calibration::CalibratedGroup, evaluation::Evaluation};

/// The style sheet's names for these: `--ink`, `--grid`, `--before`, `--after`, `--third`, `--band`.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const BEFORE: RGBColor = RGBColor(3, 3, 3);
const AFTER: RGBColor = RGBColor(4, 4, 4);
const THIRD: RGBColor = RGBColor(5, 5, 5);
const BAND: RGBColor = RGBColor(6, 6, 6);

const FONT: &str = "system-ui";
/// The library writes fonts so much smaller than they are asked for.
const FONT_SCALE: f64 = 1.24;

/// One drawing for wide windows and one for narrow ones, in which an SVG that is scaled down could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    wide: String,
    narrow: String,
}

/// One of the two.
pub struct Drawing<'a> {
    /// `wide` or `narrow`.
    pub name: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What is inside of the SVG.
    pub svg: &'a str,
}

impl Chart {
    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.wide.is_empty()
    }

    /// Both.
    pub fn drawings(&self) -> [Drawing<'_>; 2] {
        [(&WIDE, &self.wide), (&NARROW, &self.narrow)].map(|(size, svg)| Drawing {
            name: size.name,
            width: size.width,
            height: size.height,
            svg,
        })
    }
}

struct Size {
    name: &'static str,
    width: u32,
    height: u32,
    /// In pixels, of all text.
    font: f64,
    /// About so many labels on the horizontal axis, and on the vertical one.
    labels: (usize, usize),
    /// Room for the labels of the vertical axis, with its title.
    left: u32,
}

const WIDE: Size = Size { name: "wide", width: 560, height: 300, font: 13.5, labels: (11, 6), left: 62 };
const NARROW: Size = Size { name: "narrow", width: 300, height: 240, font: 13.8, labels: (6, 5), left: 58 };

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Both drawings, or nothing where they cannot be drawn.
fn chart(draw: impl Fn(&Area<'_>, &Size) -> Drawn) -> Chart {
    let drawn = |size: &Size| {
        let mut out = String::new();
        let drawn = {
            let area = SVGBackend::with_string(&mut out, (size.width, size.height)).into_drawing_area();
            draw(&area, size).and_then(|()| area.present())
        };
        // The page's own element has a name and a description.
        let inside = out.split_once('>').and_then(|(_, inside)| inside.rsplit_once("</svg>"));
        inside.filter(|_| drawn.is_ok()).map(|(inside, _)| inside.to_owned())
    };
    match (drawn(&WIDE), drawn(&NARROW)) {
        (Some(wide), Some(narrow)) => Chart { wide, narrow },
        _ => Chart::default(),
    }
}

/// The ends of the axes and what they are called.
struct Axes<'a> {
    x: (f64, f64),
    y: (f64, f64),
    x_title: &'a str,
    y_title: &'a str,
    x_labels: usize,
}

type Plane<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn plane<'a, 'b>(
    area: &'a Area<'b>,
    size: &Size,
    axes: &Axes<'_>,
) -> Result<Plane<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let mut plane = ChartBuilder::on(area)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(46)
        .y_label_area_size(size.left)
        .build_cartesian_2d(axes.x.0..axes.x.1, axes.y.0..axes.y.1)?;
    let text = (FONT, size.font * FONT_SCALE).into_font().color(&INK);
    let whole = axes.x.1 > 2.0;
    let x_label = |x: &f64| if whole { format!("{x:.0}") } else { format!("{x:.1}") };
    let fine = axes.y.1 - axes.y.0 < 0.35;
    // Without a sign for what is 0 but for the last digits.
    let y_label = |y: &f64| match (fine, y.abs() < 1e-9) {
        (_, true) => "0".to_owned(),
        (true, _) => format!("{y:.2}"),
        (false, _) => format!("{y:.1}"),
    };
    plane
        .configure_mesh()
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_desc(axes.x_title)
        .y_desc(axes.y_title)
        .x_labels(axes.x_labels.min(size.labels.0))
        .y_labels(size.labels.1)
        .draw()?;
    Ok(plane)
}

fn line<'a>(
    points: impl IntoIterator<Item = (f64, f64)>,
    color: RGBColor,
) -> LineSeries<SVGBackend<'a>, (f64, f64)> {
    LineSeries::new(points, color.stroke_width(2))
}

/// nDCG of every judged query before and after, the biggest gain first.
pub fn queries(evaluation: &Evaluation) -> Chart {
    let mut pairs: Vec<(f64, f64)> = evaluation
        .queries
        .iter()
        .filter_map(|query| query.measures.first().map(|ndcg| (ndcg.before, ndcg.after)))
        .collect();
    if pairs.is_empty() {
        return Chart::default();
    }
    pairs.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)).then(b.1.total_cmp(&a.1)));
    let title = format!("nDCG@{}", evaluation.k);
    let axes = Axes {
        x: (0.0, pairs.len() as f64 + 1.0),
        y: (-0.03, 1.03),
        x_title: "judged queries, the biggest gain first",
        y_title: &title,
        x_labels: pairs.len(),
    };
    chart(|area, size| {
        let mut plane = plane(area, size, &axes)?;
        for (at, &(before, after)) in pairs.iter().enumerate() {
            let x = at as f64 + 1.0;
            plane.draw_series(std::iter::once(PathElement::new(
                vec![(x, before), (x, after)],
                GRID.stroke_width(2),
            )))?;
        }
        let dots = |color: RGBColor, of: fn(&(f64, f64)) -> f64| {
            pairs
                .iter()
                .enumerate()
                .map(move |(at, pair)| Circle::new((at as f64 + 1.0, of(pair)), 4, color.filled()))
        };
        plane.draw_series(dots(BEFORE, |pair| pair.0))?;
        plane.draw_series(dots(AFTER, |pair| pair.1))?;
        Ok(())
    })
}

/// Where the relevance scores of both parts lie, each as shares of its part.
pub fn histogram(group: &CalibratedGroup) -> Chart {
    let shares = |bins: &[u64; 20]| {
        let total = bins.iter().sum::<u64>().max(1) as f64;
        bins.map(|count| count as f64 / total)
    };
    let (upper, lower) = (shares(&group.histogram.upper), shares(&group.histogram.lower));
    let most = upper.iter().chain(&lower).copied().fold(0.05, f64::max);
    let axes = Axes {
        x: (0.0, 1.0),
        y: (0.0, most * 1.12),
        x_title: "relevance score",
        y_title: "share of the hits",
        x_labels: 11,
    };
    chart(|area, size| {
        let mut plane = plane(area, size, &axes)?;
        let bars = |shares: [f64; 20], from: f64, color: RGBColor| {
            shares.into_iter().enumerate().filter(|(_, share)| *share > 0.0).map(move |(bin, share)| {
                let left = bin as f64 / 20.0 + from;
                Rectangle::new([(left, 0.0), (left + 0.021, share)], color.filled())
            })
        };
        plane.draw_series(bars(lower, 0.003, BEFORE))?;
        plane.draw_series(bars(upper, 0.026, AFTER))?;
        mark(&mut plane, size, &axes, group.floor.as_ref().and_then(|floor| floor.min_score))
    })
}

/// A dashed line at a value.
fn mark(plane: &mut Plane<'_, '_>, size: &Size, axes: &Axes<'_>, at: Option<f64>) -> Drawn {
    let (Some(at), top) = (at, axes.y.1) else { return Ok(()) };
    let steps = (0..20).map(|step| f64::from(step) * top / 20.0);
    let dashes =
        steps.map(|from| PathElement::new(vec![(at, from), (at, from + top / 40.0)], INK.stroke_width(1)));
    plane.draw_series(dashes)?;
    let font = (FONT, size.font * FONT_SCALE).into_font();
    // To the side where there is room.
    let side = if axes.x.1 * 0.75 < at { HPos::Right } else { HPos::Left };
    let style = font.color(&INK).pos(Pos::new(side, VPos::Top));
    plane.draw_series(std::iter::once(Text::new(format!(" {at} "), (at, top), style)))?;
    Ok(())
}

/// Recall, precision and answer rate along the floor.
pub fn floor(group: &CalibratedGroup) -> Chart {
    if group.floors.is_empty() {
        return Chart::default();
    }
    let axes =
        Axes { x: (0.0, 1.0), y: (0.0, 1.12), x_title: "floor (min_score)", y_title: "share", x_labels: 11 };
    chart(|area, size| {
        let mut plane = plane(area, size, &axes)?;
        let points = |of: fn(&crate::eval::floor::FloorPoint) -> Option<f64>| {
            group.floors.iter().filter_map(move |point| Some((point.floor, of(point)?)))
        };
        if let Some(interval) = group.floor.as_ref().and_then(|floor| floor.interval) {
            let band = Rectangle::new([(interval.low, 0.0), (interval.high, 1.12)], BAND.filled());
            plane.draw_series(std::iter::once(band))?;
        }
        plane.draw_series(line(points(|point| point.answer_rate), THIRD))?;
        plane.draw_series(line(points(|point| point.precision), BEFORE))?;
        plane.draw_series(line(points(|point| point.recall), AFTER))?;
        mark(&mut plane, size, &axes, group.floor.as_ref().and_then(|floor| floor.min_score))
    })
}

/// The gain, or without judgments the agreement with the largest window, along the window.
pub fn window(group: &CalibratedGroup) -> Chart {
    let curve = &group.window.curve;
    let judged = curve.iter().any(|point| point.gain.is_some());
    let value = |point: &crate::eval::window::WindowPoint| {
        if judged { point.gain } else { point.overlap_with_largest }
    };
    let points: Vec<(f64, f64)> = std::iter::once((0.0, if judged { 0.0 } else { f64::NAN }))
        .chain(curve.iter().filter_map(|point| Some((point.window as f64, value(point)?))))
        .filter(|point| point.1.is_finite())
        .collect();
    let Some(largest) = curve.last().filter(|_| points.len() > 1).map(|point| point.window as f64) else {
        return Chart::default();
    };
    let ends =
        curve.iter().filter_map(|point| point.interval).flat_map(|interval| [interval.low, interval.high]);
    let all: Vec<f64> = points.iter().map(|point| point.1).chain(ends.filter(|_| judged)).collect();
    let (low, high) = (all.iter().copied().fold(0.0, f64::min), all.iter().copied().fold(0.01, f64::max));
    let axes = Axes {
        x: (0.0, largest * 1.02),
        y: (low - 0.03 * (high - low), high + 0.12 * (high - low)),
        x_title: "candidates that are reranked (window)",
        y_title: if judged { "gain of nDCG" } else { "overlap with the largest" },
        x_labels: 11,
    };
    chart(|area, size| {
        let mut plane = plane(area, size, &axes)?;
        if judged {
            let banded = || curve.iter().filter_map(|point| Some((point.window as f64, point.interval?)));
            let upper = banded().map(|(window, interval)| (window, interval.high));
            let lower: Vec<(f64, f64)> = banded().map(|(window, interval)| (window, interval.low)).collect();
            let outline: Vec<(f64, f64)> = upper.chain(lower.into_iter().rev()).collect();
            if outline.len() > 3 {
                plane.draw_series(std::iter::once(Polygon::new(outline, BAND.filled())))?;
            }
        }
        plane.draw_series(line(points.iter().copied(), AFTER))?;
        plane.draw_series(
            points.iter().skip(usize::from(judged)).map(|&point| Circle::new(point, 3, AFTER.filled())),
        )?;
        mark(&mut plane, size, &axes, group.window.window.map(|window| window as f64))
    })
}

/// Calls skipped, and what that loses, along the margin gate.
pub fn margin(group: &CalibratedGroup) -> Chart {
    let curve = &group.margin.curve;
    if curve.is_empty() {
        return Chart::default();
    }
    let axes = Axes {
        x: (0.0, 1.0),
        y: (0.0, 1.12),
        x_title: "margin_gate",
        y_title: "share, or nDCG",
        x_labels: 11,
    };
    chart(|area, size| {
        let mut plane = plane(area, size, &axes)?;
        let skipped = curve.iter().filter_map(|point| Some((point.margin_gate, point.skipped?)));
        let loss = curve.iter().filter_map(|point| Some((point.margin_gate, point.loss?.max(0.0))));
        plane.draw_series(line(skipped, BEFORE))?;
        plane.draw_series(line(loss, AFTER))?;
        mark(&mut plane, size, &axes, group.margin.margin_gate)
    })
}
