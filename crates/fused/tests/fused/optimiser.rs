//! The optimiser's kernels on tensors: the same on every CPU device, and as the dense formula has it.

use crate::support::{close, devices, numbers};
use burn::tensor::{Device, Tensor};
use firebrand_fused::{adamw, adamw_rows, sum_of_squares};
use firebrand_kernels::adamw::AdamW;
use firebrand_kernels::{Arch, embedding};

fn settings(step: u64) -> AdamW {
    let (learning_rate, betas, epsilon, weight_decay) = (0.01, [0.9, 0.999], 1e-8, 0.1);
    AdamW { learning_rate, betas, epsilon, weight_decay, step, gradient_scale: 0.5 }
}

/// The parameter after three steps.
fn three_steps(device: &Device) -> Tensor<2> {
    let mut parameter = numbers([5, 37], 1, device);
    let mut moments = [(); 2].map(|()| Tensor::zeros([5, 37], device));
    for step in 1..4 {
        (parameter, moments) = adamw(settings(step), parameter, moments, numbers([5, 37], 10 + step as u32, device));
    }
    parameter
}

#[test]
fn steps_are_the_same_on_every_device() {
    let mut all = devices().into_iter().map(|device| three_steps(&device.inner()));
    let first = all.next().unwrap();
    assert_eq!(first.dims(), [5, 37]);
    for other in all {
        first.to_data().assert_approx_eq::<f32>(&other.to_data(), burn::tensor::Tolerance::rel_abs(1e-5, 1e-6));
    }
    // The first step of each element is the learning rate in its gradient's direction, after the decay.
    let device = Device::flex();
    let (p, g) = (numbers([5, 37], 1, &device), numbers([5, 37], 2, &device));
    let moments = [(); 2].map(|()| Tensor::zeros([5, 37], &device));
    let (found, _) = adamw(settings(1), p.clone(), moments, g.clone());
    close(&found, &(p * 0.999 - g.sign() * 0.01));
}

#[test]
fn a_table_with_few_rows_ends_where_the_dense_gradient_does() {
    for device in devices().into_iter().map(Device::inner) {
        let start = || {
            let table = numbers([50, 12], 1, &device);
            (table, [(); 2].map(|()| Tensor::<2>::zeros([50, 12], &device)))
        };
        let ([mut dense, mut sparse], mut touched) = ([start(), start()], [false; 50]);
        for step in 1..4u32 {
            let ids: Vec<u32> = (0..14).map(|place| (place * place + step) % 40).collect();
            let gradient = numbers([2, 7, 12], step, &device);
            let values: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
            let rows = embedding::gradient(Arch::new(), &ids, &values, 12);
            let mut whole = vec![0.0; 50 * 12];
            for (place, &id) in ids.iter().enumerate() {
                for column in 0..12 {
                    whole[id as usize * 12 + column] += values[place * 12 + column];
                }
            }
            let whole = Tensor::<1>::from_floats(whole.as_slice(), &device).reshape([50, 12]);
            let settings = settings(u64::from(step));
            dense = adamw(settings, dense.0, dense.1, whole);
            sparse = adamw_rows(settings, sparse.0, sparse.1, &rows, &mut touched);
            assert!(touched[40..].iter().all(|&touched| !touched) && ids.iter().all(|&id| touched[id as usize]));
        }
        close(&sparse.0, &dense.0);
        close(&sparse.1[0], &dense.1[0]);
        close(&sparse.1[1], &dense.1[1]);
    }
}

#[test]
fn squares() {
    for device in devices().into_iter().map(Device::inner) {
        let x = numbers([5, 37], 1, &device);
        let values: Vec<f32> = x.to_data().try_into_vec().unwrap();
        let expected: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(x) / expected - 1.0).abs() < 1e-5);
    }
}
