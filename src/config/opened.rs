//! Who is reranked although `rerank.mode` is off.

use super::{Config, RouteConfig};
use crate::pipeline::Mode;

impl Config {
    /// The routes and tenants that have a mode of their own, such as `routes (docs) and of tenants (acme)`; `None` where
    /// there are none.
    pub fn opened(&self) -> Option<String> {
        let routes = self.routes.iter().filter(|route| route.rerank.mode != Mode::Off);
        let tenants = self.tenants.each.iter().filter(|tenant| tenant.rerank.mode != Mode::Off);
        let parts = [
            ("routes", routes.map(|route| route.collection.as_str()).collect::<Vec<_>>()),
            ("tenants", tenants.map(|tenant| tenant.name.as_str()).collect()),
        ];
        let named = parts.iter().filter(|(_, names)| !names.is_empty());
        let named: Vec<String> =
            named.map(|(what, names)| format!("{what} ({})", names.join(", "))).collect();
        (!named.is_empty()).then(|| named.join(" and of "))
    }

    /// The routes whose collections nobody has reranked, no tenant either.
    pub fn closed_routes(&self) -> impl Iterator<Item = &RouteConfig> {
        self.routes
            .iter()
            .enumerate()
            .filter(|(at, route)| {
                let tenants = self.tenants.each.iter();
                let mut of_tenants = tenants.filter_map(|tenant| tenant.routes.get(*at));
                route.rerank.mode == Mode::Off && of_tenants.all(|own| own.mode == Mode::Off)
            })
            .map(|(_, route)| route)
    }
}
