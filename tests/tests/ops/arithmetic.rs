//! Sums and selections have the bits of candle's operations, and refuse what has no sum.

use candle_core::{DType, Device, Result as TensorResult, Tensor};
use proptest::prelude::*;
use saddle_ops::{
    Result, difference, join_rows, mean_of_blocks, numbers, scale_rows, select_rows, sum,
    sum_scaled, tensor_like,
};
use saddle_tests::ops::{Case, any_case, any_dtype, bits};

/// A batch with zeros of both signs among its numbers.
fn signed(case: &Case, dtype: DType) -> TensorResult<Tensor> {
    case.candidate(dtype)?.broadcast_mul(&Tensor::new(-1.0, &Device::Cpu)?.to_dtype(dtype)?)
}

/// The mean by a tensor for each block.
fn mean_by_tensors(batch: &Tensor, rows: usize, alternating: bool) -> TensorResult<Tensor> {
    let blocks = batch.dim(0)? / rows;
    let mut sum = batch.narrow(0, 0, rows)?;
    for block in 1..blocks {
        let next = batch.narrow(0, block * rows, rows)?;
        sum = (sum + if alternating && block % 2 == 1 { next.neg()? } else { next })?;
    }
    sum / blocks as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_candles(case in any_case(), dtype in any_dtype(), factor in -2.0..2.0f64) {
        let left = signed(&case, dtype)?;
        let right = signed(&case.reseeded(case.seed ^ 1), dtype)?;
        prop_assert_eq!(bits(&sum(&left, &right)?)?, bits(&(&left + &right)?)?);
        prop_assert_eq!(bits(&difference(&left, &right)?)?, bits(&(&left - &right)?)?);
        let scaled = (&left + (&right * factor)?)?;
        prop_assert_eq!(bits(&sum_scaled(&left, &right, factor)?)?, bits(&scaled)?);
        let factors: Vec<f64> = (0..case.rows).map(|row| factor * (row as f64 - 1.0)).collect();
        let column = Tensor::new(&factors[..], &Device::Cpu)?.to_dtype(dtype)?;
        let expected = left.broadcast_mul(&column.reshape((case.rows, 1, 1, 1))?)?;
        prop_assert_eq!(bits(&scale_rows(&left, &factors)?)?, bits(&expected)?);
    }

    #[test]
    fn means_are_candles_block_by_block(
        case in any_case(), dtype in any_dtype(), blocks in 1..6u64, alternating: bool,
    ) {
        let parts = (0..blocks).map(|block| signed(&case.reseeded(case.seed ^ block), dtype));
        let batch = Tensor::cat(&parts.collect::<TensorResult<Vec<_>>>()?, 0)?;
        let found = mean_of_blocks(&batch, case.rows, alternating)?;
        let expected = mean_by_tensors(&batch, case.rows, alternating)?;
        prop_assert_eq!(found.dims(), expected.dims());
        prop_assert_eq!(bits(&found)?, bits(&expected)?);
    }

    #[test]
    fn rows_are_selected_and_joined_as_they_are(
        case in any_case(), dtype in any_dtype(), picks in prop::collection::vec(any::<u64>(), 1..5),
    ) {
        let batch = signed(&case, dtype)?;
        let rows: Vec<usize> = picks.iter().map(|pick| (pick % case.rows as u64) as usize).collect();
        let index: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let selected = select_rows(&batch, &rows)?;
        let expected = batch.index_select(&Tensor::new(&index[..], &Device::Cpu)?, 0)?;
        prop_assert_eq!(selected.dims(), expected.dims());
        prop_assert_eq!(bits(&selected)?, bits(&expected)?);
        // A part of a larger tensor is read from where it begins.
        let last = batch.narrow(0, case.rows - 1, 1)?;
        let joined = join_rows(&[selected.clone(), last.clone()])?;
        prop_assert_eq!(bits(&joined)?, bits(&Tensor::cat(&[selected, last], 0)?)?);
    }

    #[test]
    fn numbers_go_to_f64_and_back(case in any_case(), dtype in prop_oneof![
        Just(DType::F16), Just(DType::BF16), Just(DType::F32), Just(DType::F64)
    ]) {
        let batch = case.candidate(dtype)?;
        let wide = numbers(&batch)?;
        prop_assert_eq!(&wide, &batch.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
        prop_assert_eq!(bits(&tensor_like(&batch, wide.clone())?)?, bits(&batch)?);
        // A third of a number is rounded as candle rounds it.
        let thirds: Vec<f64> = wide.into_iter().map(|number| number / 3.0).collect();
        let expected = Tensor::from_vec(thirds.clone(), batch.shape(), &Device::Cpu)?.to_dtype(dtype)?;
        let found = tensor_like(&batch, thirds)?;
        prop_assert_eq!(found.dtype(), dtype);
        prop_assert_eq!(bits(&found)?, bits(&expected)?);
    }
}

#[test]
fn a_selection_keeps_rank_order_and_repetitions() -> Result<()> {
    let vector = Tensor::new(&[1.0f32, 2.0, 3.0], &Device::Cpu)?;
    assert_eq!(select_rows(&vector, &[2, 0, 2])?.to_vec1::<f32>()?, [3.0, 1.0, 3.0]);
    assert_eq!(select_rows(&vector, &[])?.dims(), [0]);
    // Strided memory is read in the order of the rows.
    let turned = Tensor::new(&[[1.0f64, 2.0], [3.0, 4.0]], &Device::Cpu)?.t()?;
    assert_eq!(select_rows(&turned, &[1])?.to_vec2::<f64>()?, [[2.0, 4.0]]);
    assert_eq!(numbers(&turned)?, [1.0, 3.0, 2.0, 4.0]);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let batch = |dims: &[usize], dtype| Tensor::zeros(dims, dtype, &Device::Cpu);
    let [two, three] = [batch(&[2, 3], DType::F32)?, batch(&[3, 3], DType::F32)?];
    let wide = batch(&[2, 3], DType::F64)?;
    let whole = batch(&[2, 3], DType::U32)?;
    let refusals = [
        (sum(&two, &three), "shapes differ"),
        (sum(&two, &wide), "number formats differ"),
        (difference(&whole, &whole), "u32"),
        (sum_scaled(&two, &three, 1.0), "shapes differ"),
        (scale_rows(&two, &[1.0]), "1 factors for 2 rows"),
        (mean_of_blocks(&three, 2, false), "3 rows in blocks of 2"),
        (mean_of_blocks(&three, 0, false), "blocks of 0"),
        (select_rows(&two, &[0, 2]), "row 2 of a batch of 2"),
        (select_rows(&batch(&[], DType::F32)?, &[0]), "add a dimension"),
        (join_rows(&[]), "empty"),
        (join_rows(&[two.clone(), batch(&[2, 4], DType::F32)?]), "shapes differ"),
        (join_rows(&[two.clone(), wide]), "number formats differ"),
        (tensor_like(&two, vec![0.0; 5]), "5 numbers"),
        (tensor_like(&whole, vec![0.0; 6]), "u32"),
    ];
    for (refusal, words) in refusals {
        let message = refusal.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(words), "`{words}` is missing in: {message}");
    }
    assert!(numbers(&whole).is_err());
    Ok(())
}
