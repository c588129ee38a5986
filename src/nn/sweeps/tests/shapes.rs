//! Tests sweeps without weights: forming, pooling, shortcuts, and their gradients.

use proptest::prelude::*;

use super::*;

/// Activations of a few shapes.
fn activation() -> impl Strategy<Value = Activation> {
    let channels = prop::sample::select(vec![2_usize, 4, 6, 8, 20]);
    let images = prop::sample::select(BATCHES.to_vec());
    (1_usize..7, 1_usize..9, channels, images, any::<bool>()).prop_map(
        |(height, width, channels, images, back)| {
            let side = if back { Side::Back } else { Side::Front };
            Activation { shape: Shape::new(height, width, channels), images, side }
        },
    )
}

/// The mean of each channel of each image.
fn means(of: Activation, nhwc: &[f32]) -> Vec<f64> {
    let channels = of.shape.channels;
    let of_image = |image: &[f32]| -> Vec<f64> {
        let sum = |c: usize| image.iter().skip(c).step_by(channels).map(|x| f64::from(*x)).sum::<f64>();
        (0..channels).map(|c| sum(c) / of.shape.area() as f64).collect()
    };
    nhwc.chunks_exact(of.shape.image()).flat_map(of_image).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn outputs_are_formed_kept_and_measured(
        of in activation(),
        relu: bool,
        has_shortcut: bool,
        seed in 0_u64..1 << 40,
    ) {
        let output = Output::new(of, relu, has_shortcut, seed);
        for set in InstructionSet::available() {
            let shares = in_shares(&ThreadPool::new(1), of.images, |share| output.form(set, share));
            let formed = output.merge(Reading::Kept, shares.iter().map(|(keep, sums)| (keep, sums)));
            output.check(&format!("{of:?}, {set}"), Reading::Kept, &formed);
        }
    }

    #[test]
    fn pooling_gives_the_means(
        of in activation(),
        relu: bool,
        has_shortcut: bool,
        seed in 0_u64..1 << 40,
    ) {
        let output = Output::new(of, relu, has_shortcut, seed);
        let expected = means(of, &output.formed);
        for set in InstructionSet::available() {
            let mut all = Vec::new();
            for reading in READINGS {
                let what = format!("{of:?}, {reading:?}, {set}");
                let shares = in_shares(&ThreadPool::new(1), of.images, |share| {
                    let images = of.images_of(share).len();
                    let mut means = Guarded::filled(of.side, images * of.shape.channels, f32::NAN);
                    let sweep = |source: Source| pool(set, of.shape, share, source, &mut means);
                    let (keep, sums) = output.read(share, reading, sweep);
                    (keep, sums, means)
                });
                let means: Vec<f32> = shares.iter().flat_map(|(_, _, means)| means.iter().copied()).collect();
                assert_close(&what, &means, &expected, 1e-6);
                let formed = output.merge(reading, shares.iter().map(|(keep, sums, _)| (keep, sums)));
                output.check(&what, reading, &formed);
                all.push(bits(&means));
            }
            prop_assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "however it is read, {}", set);
        }
    }

    #[test]
    fn the_gradient_to_means_is_spread_over_their_pixels(
        of in activation(),
        relu: bool,
        has_shortcut: bool,
        measured: bool,
        seed in 0_u64..1 << 40,
    ) {
        let output = Output::new(of, relu, has_shortcut, seed);
        let of_means = numbers(of.images * of.shape.channels, seed + 10);
        let (area, channels) = (of.shape.area() as f64, of.shape.channels);
        let spread = |i: usize| f64::from(of_means[i / of.shape.image() * channels + i % channels]) / area;
        let gradient: Vec<f64> = (0..output.formed.len()).map(spread).collect();
        for through in output.ways() {
            let mut all = Vec::new();
            for set in InstructionSet::available() {
                let what = format!("{of:?}, {through:?}, {set}");
                let shares = in_shares(&ThreadPool::new(1), of.images, |share| {
                    let Range { start, end } = of.images_of(share);
                    let of_means = Guarded::copied(of.side, &of_means[start * channels..end * channels]);
                    let mut to = of.room(share);
                    let sweep = |masked: Masked| unpool(set, of.shape, share, &of_means, &mut to, masked);
                    let sums = output.mask(share, through, measured, sweep);
                    (to, sums)
                });
                let ours = of.together(shares.iter().map(|(to, _)| to));
                assert_close(&what, &ours, &output.passed(&gradient), 2e-7);
                let sums = Measured::merged(channels, shares.iter().map(|(_, sums)| sums));
                output.check_measured(&what, measured, &sums, &gradient);
                all.push((set, (bits(&ours), sums)));
            }
            assert_fused_agree("the gradient to what was pooled", &all);
        }
    }

    #[test]
    fn a_gradient_is_taken_back_in_place(
        of in activation(),
        relu: bool,
        has_shortcut: bool,
        measured: bool,
        seed in 0_u64..1 << 40,
    ) {
        let output = Output::new(of, relu, has_shortcut, seed);
        let gradient = of.numbers(seed + 10);
        for through in output.ways() {
            let mut all = Vec::new();
            for set in InstructionSet::available() {
                let what = format!("{of:?}, {through:?}, {set}");
                let shares = in_shares(&ThreadPool::new(1), of.images, |share| {
                    let mut to = of.share(share, &gradient);
                    let sweep = |masked: Masked| reduce(set, of.shape, share, &mut to, masked);
                    let sums = output.mask(share, through, measured, sweep);
                    (to, sums)
                });
                let ours = of.together(shares.iter().map(|(to, _)| to));
                prop_assert_eq!(&wide(&ours), &output.passed(&wide(&gradient)), "{}", what);
                let sums = Measured::merged(of.shape.channels, shares.iter().map(|(_, sums)| sums));
                output.check_measured(&what, measured, &sums, &wide(&gradient));
                all.push((set, (bits(&ours), sums)));
            }
            assert_fused_agree("a gradient in place", &all);
        }
    }

    #[test]
    fn zero_padding_takes_every_second_pixel_and_gives_its_gradient_back(
        (height, width) in (1_usize..5, 1_usize..5),
        (channels, more) in (prop::sample::select(vec![2_usize, 4, 8, 12]), 0_usize..5),
        images in prop::sample::select(BATCHES.to_vec()),
        back: bool,
        seed in 0_u64..1 << 40,
    ) {
        let side = if back { Side::Back } else { Side::Front };
        let padded = channels + 2 * more;
        let input = Activation { shape: Shape::new(2 * height, 2 * width, channels), images, side };
        let output = Activation { shape: Shape::new(height, width, padded), images, side };
        let (x, dy) = (input.numbers(seed), output.numbers(seed + 1));
        let shares = in_shares(&ThreadPool::new(1), images, |share| {
            let (mut y, mut dx) = (output.room(share), input.room(share));
            subsample(input.shape, output.shape, share, &input.share(share, &x), &mut y);
            subsample_gradient(input.shape, output.shape, share, &output.share(share, &dy), &mut dx);
            (y, dx)
        });
        let (mut expected_y, mut expected_dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        for i in 0..images * height * width * channels {
            let (image, row) = (i / channels / width / height, i / channels / width % height);
            let (column, channel) = (i / channels % width, i % channels);
            let from = ((image * 2 * height + 2 * row) * 2 * width + 2 * column) * channels + channel;
            let to = ((image * height + row) * width + column) * padded + more + channel;
            expected_y[to] = x[from];
            expected_dx[from] = dy[to];
        }
        prop_assert_eq!(output.together(shares.iter().map(|(y, _)| y)), expected_y);
        prop_assert_eq!(input.together(shares.iter().map(|(_, dx)| dx)), expected_dx);
    }
}
