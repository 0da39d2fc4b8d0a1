//! `rerankd demo`.

use std::{collections::HashMap, io};

use super::{
    DemoArgs, EXIT_FAILURE, EXIT_OK, EXIT_PARTIAL,
    output::is_cut_off,
    serve::{block_on, tell},
    signals::Stop,
};
use crate::demo::{Demo, DemoError, Reranked};

/// Runs the demo; returns the exit code.
pub fn demo(args: &DemoArgs, env: &HashMap<String, String>) -> u8 {
    block_on(async {
        match run(args, env).await {
            Ok(Reranked::All) => EXIT_OK,
            Ok(Reranked::Some) => EXIT_PARTIAL,
            Ok(Reranked::None) => EXIT_FAILURE,
            Err(DemoError::Print(error)) if is_cut_off(&error) => EXIT_OK,
            Err(error) => {
                tell(&error);
                EXIT_FAILURE
            }
        }
    })
}

async fn run(args: &DemoArgs, env: &HashMap<String, String>) -> Result<Reranked, DemoError> {
    let out = &mut io::stdout();
    let demo = Demo::start(env, args.provider).await?;
    let shown = demo.show(out).await?;
    if !args.once {
        demo.show_addresses(out, &shown)?;
        Stop::listen().map_err(DemoError::Signals)?.next().await;
    }
    demo.stop().await;
    Ok(shown.reranked)
}
