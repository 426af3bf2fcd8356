//! Building blocks of the kernels: run-time dispatch and loops over vectors.

use std::mem::MaybeUninit;

use pulp::Simd;

/// Approximate number of elements per parallel task: the working set stays in a core's own cache.
pub(crate) const TASK: usize = 16 * 1024;

/// Whole rows per parallel task, at least one. It depends on the shape alone, never on the number of threads.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// Defines a function that runs a body, generic over `S: Simd`, with the instruction set given as its first argument.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$life:lifetime>($($arg:ident: $type:ty),* $(,)?) -> $output:ty = $body:ident) => {
        $(#[$meta])*
        $vis fn $name<$life>(arch: pulp::Arch, $($arg: $type),*) -> $output {
            struct Operation<$life> {
                $($arg: $type,)*
                lifetime: std::marker::PhantomData<&$life ()>,
            }
            impl<$life> pulp::WithSimd for Operation<$life> {
                type Output = $output;
                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) -> $output {
                    $body(simd, $(self.$arg),*)
                }
            }
            arch.dispatch(Operation { $($arg,)* lifetime: std::marker::PhantomData })
        }
    };
}

/// Runs statements for each vector of some equally long slices, then once for the remainder, whose missing elements read as
/// zero. Outputs are written, never read, so their memory may be uninitialised:
/// `lanes!(simd: S; x = input; { let twice = simd.add_f32s(x, x); } => y = output; twice)`.
macro_rules! lanes {
    ($simd:ident: $S:ident; $($x:ident = $input:expr),+; { $($body:tt)* } $(=> $($y:ident = $output:expr; $value:expr),+)?) => {{
        $(let $x = $S::as_simd_f32s($input);)+
        $($(let $y = $S::as_uninit_mut_simd_f32s($output);)+)?
        let count = [$($x.0.len()),+][0];
        // Sliced once, so that the loop needs no bounds checks.
        $(let $x = (&$x.0[..count], $x.1);)+
        $($(let $y = (&mut $y.0[..count], $y.1);)+)?
        for index in 0..count {
            $(let $x = $x.0[index];)+
            $($body)*
            $($($y.0[index].write($value);)+)?
        }
        if [$($x.1.len()),+][0] > 0 {
            $(let $x = $simd.partial_load_f32s($x.1);)+
            $($body)*
            $($(crate::simd::store_tail($simd, $y.1, $value);)+)?
        }
    }};
}

/// Initialises a slice shorter than a vector with the vector's first elements.
#[inline(always)]
pub(crate) fn store_tail<S: Simd>(simd: S, tail: &mut [MaybeUninit<f32>], value: S::f32s) {
    // No vector is longer than this.
    let mut lanes = [0.0; 16];
    let lanes = &mut lanes[..tail.len()];
    simd.partial_store_f32s(lanes, value);
    tail.write_copy_of_slice(lanes);
}

/// Adds `x` to `y`, element by element.
#[inline(always)]
pub(crate) fn add<S: Simd>(simd: S, x: &[f32], y: &mut [f32]) {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_mut_simd_f32s(y);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = simd.add_f32s(*y, x);
    }
    for (y, x) in y_tail.iter_mut().zip(x_tail) {
        *y += x;
    }
}

/// Multiplies `y` by `x`, element by element.
#[inline(always)]
pub(crate) fn multiply<S: Simd>(simd: S, x: &[f32], y: &mut [f32]) {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_mut_simd_f32s(y);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = simd.mul_f32s(*y, x);
    }
    for (y, x) in y_tail.iter_mut().zip(x_tail) {
        *y *= x;
    }
}

/// The sum of a row.
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let mut total = simd.splat_f32s(0.0);
    lanes!(simd: S; x = row; { total = simd.add_f32s(total, x); });
    simd.reduce_sum_f32s(total)
}

/// The largest element of a row, minus infinity for an empty one. NaN may be ignored beside larger elements, but not beside
/// minus infinity alone.
#[inline(always)]
pub(crate) fn max<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (head, tail) = S::as_simd_f32s(row);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for &x in head {
        largest = simd.max_f32s(largest, x);
    }
    let largest = tail.iter().fold(simd.reduce_max_f32s(largest), |largest, &x| largest.max(x));
    if largest == f32::NEG_INFINITY && row.iter().any(|x| x.is_nan()) { f32::NAN } else { largest }
}

/// `x`, but between two bounds; NaN stays NaN.
#[inline(always)]
pub(crate) fn clamp<S: Simd>(simd: S, x: S::f32s, [low, high]: [f32; 2]) -> S::f32s {
    let [low, high] = [low, high].map(|bound| simd.splat_f32s(bound));
    if S::IS_SCALAR {
        // `f32::min` and `f32::max` return the bound where `x` is NaN.
        let x = select(simd, simd.less_than_f32s(high, x), high, x);
        select(simd, simd.less_than_f32s(x, low), low, x)
    } else {
        // Vector units return their second operand where either is NaN (x86), or NaN (others).
        simd.max_f32s(low, simd.min_f32s(high, x))
    }
}

/// Chooses element by element. (The trait's own method is not always inlined, which costs more than the choice.)
#[inline(always)]
pub(crate) fn select<S: Simd>(simd: S, mask: S::m32s, if_true: S::f32s, if_false: S::f32s) -> S::f32s {
    let (if_true, if_false) = (simd.transmute_u32s_f32s(if_true), simd.transmute_u32s_f32s(if_false));
    simd.transmute_f32s_u32s(simd.select_u32s(mask, if_true, if_false))
}

/// The absolute value. (Written out for the same reason.)
#[inline(always)]
pub(crate) fn abs<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.transmute_f32s_u32s(simd.and_u32s(simd.transmute_u32s_f32s(x), simd.splat_u32s(0x7fff_ffff)))
}
