//! The list of a network's parameters is what building it asks for.

use std::collections::BTreeMap;

use burn::tensor::Device;
use firebrand_arch::{ModelError, parameters};
use firebrand_model::{Classifier, Network, ParameterSource, device, named_parameters};

use crate::support::for_each_fixture;

/// Lists the parameters that are asked for.
struct Listing {
    found: Vec<(String, Vec<usize>)>,
    device: Device,
}

impl ParameterSource for Listing {
    fn values(&mut self, path: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        self.found.push((path.to_owned(), shape.to_vec()));
        Ok(vec![0.0; shape.iter().product()])
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

#[test]
fn every_family_is_built_of_the_listed_parameters() {
    let first = device("flex").unwrap();
    for_each_fixture(|fixture, device| {
        if *device != first {
            return;
        }
        let classifier = Classifier::load(&fixture.directory, device).unwrap();
        let config = &classifier.config().network;
        let mut listing = Listing { found: Vec::new(), device: device.clone() };
        let network = Network::new(&mut listing, config).unwrap();
        let listed = parameters(config);
        assert_eq!(listed, listing.found);
        // By the names of the modules' fields, too.
        let built: BTreeMap<_, _> =
            named_parameters(&network).into_iter().map(|(path, data)| (path, data.shape().to_vec())).collect();
        assert_eq!(listed.into_iter().collect::<BTreeMap<_, _>>(), built);
    });
}
