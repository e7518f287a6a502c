//! The measurements.

use super::{Choice, Config, Row, Structured, Trial};
use crate::measure::median_seconds;
use crate::table::Record;
use anyhow::{Context, Result};
use lowrank::faer::linalg::matmul::matmul;
use lowrank::faer::{Accum, Mat, MatRef, Par};
use lowrank::layers::adapter::{Adapted, Adapter, Lsr, LsrShapes, balanced};
use lowrank::matrix::frobenius;
use lowrank::random::gaussian;

/// dW x in both ways.
pub fn apply(config: &Config, trial: &Trial) -> Result<Row> {
    let Trial { adapter: Choice { terms, rank, .. }, width, tokens, seed, .. } = *trial;
    let shapes = LsrShapes { outputs: balanced(width), ranks: (rank, rank), inputs: balanced(width) };
    let mut lsr = Lsr::<f32>::new(shapes, terms, seed)?;
    // A factor that is zero at the start would make the result zero.
    let values = gaussian::<f32>(lsr.parts().values().len(), 1, seed, "factors");
    lsr.parts_mut().set_values(values.col_as_slice(0))?;
    let x = gaussian::<f32>(width, tokens, seed, "tokens");
    let structured = Structured::new(&lsr)?;
    let (mut whole, mut parts) = (Mat::zeros(0, 0), Mat::zeros(0, 0));
    let mut materialised = || {
        whole = lsr.delta().apply(x.as_ref())?;
        Ok(())
    };
    let mut by_token = || {
        parts = structured.apply(x.as_ref());
        Ok(())
    };
    materialised()?; // the first run is not timed
    by_token()?;
    let [seconds, structured_seconds] = median_seconds(config.timings, [&mut materialised, &mut by_token])?;
    let thin = (2 * rank * rank * 2 * width) as f64;
    Ok(Row {
        parameters: lsr.parts().values().len(),
        seconds,
        flops: Some(thin * (terms + tokens) as f64),
        structured_seconds: Some(structured_seconds),
        structured_flops: Some(structured.flops() * tokens as f64),
        difference: Some(frobenius(&whole - &parts) / frobenius(&whole)),
        ..Row::done(trial)
    })
}

/// Materialise, forward, backward to the inputs and to the trained numbers.
pub fn step(config: &Config, trial: &Trial) -> Result<Row> {
    let Trial { adapter, width, tokens, seed, .. } = *trial;
    let w = gaussian::<f32>(width, width, seed, "weight");
    let x = gaussian::<f32>(width, tokens, seed, "tokens");
    let dy = gaussian::<f32>(width, tokens, seed, "gradient");
    let mut frozen = || {
        product(w.as_ref(), x.as_ref());
        product(w.transpose(), dy.as_ref());
        Ok(())
    };
    frozen()?;
    let Some(method) = adapter.method(width) else {
        let [seconds] = median_seconds(config.timings, [&mut frozen])?;
        return Ok(Row { seconds, frozen_seconds: Some(seconds), ..Row::done(trial) });
    };
    let adapted: Adapted<f32> = method.adapt(w.as_ref(), 1.0, seed).context(adapter.text())?;
    let mut once = || {
        let step = adapted.step();
        step.forward(x.as_ref())?;
        step.backward(x.as_ref(), dy.as_ref())?;
        Ok(())
    };
    once()?;
    let [frozen_seconds, seconds] = median_seconds(config.timings, [&mut frozen, &mut once])?;
    let frozen_seconds = Some(frozen_seconds);
    Ok(Row { parameters: adapted.parameters(), seconds, frozen_seconds, ..Row::done(trial) })
}

/// `a b` in new memory, as the layer computes it.
fn product(a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Mat<f32> {
    let threads = rayon::current_num_threads();
    let par = if threads > 1 { Par::rayon(threads) } else { Par::Seq };
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, par);
    out
}
