//! `rerankd demo`.

use std::collections::HashMap;

use super::{
    DemoArgs, EXIT_FAILURE, EXIT_OK,
    serve::{block_on, tell},
    signals::Stop,
};
use crate::demo::{Demo, DemoError};

/// Runs the demo; returns the exit code.
pub fn demo(args: &DemoArgs, env: &HashMap<String, String>) -> u8 {
    block_on(async {
        match run(args, env).await {
            Ok(()) => EXIT_OK,
            Err(error) => {
                tell(&error);
                EXIT_FAILURE
            }
        }
    })
}

async fn run(args: &DemoArgs, env: &HashMap<String, String>) -> Result<(), DemoError> {
    let demo = Demo::start(env).await?;
    demo.tell().await?;
    if !args.once {
        demo.print_addresses();
        Stop::listen().map_err(DemoError::Signals)?.next().await;
    }
    demo.stop().await;
    Ok(())
}
