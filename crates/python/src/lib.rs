//! The Python package `firebrand`.
//!
//! ```python
//! from firebrand import Classifier
//!
//! classifier = Classifier("bundle")
//! classifier.predict(["a lovely film", "a dull plot"])
//! # [{'label': 'positive', 'score': 0.99, 'scores': {…}, …}, …]
//! ```

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ::firebrand_infer::{Answer, Classifier as Inner, Error, ErrorKind, Options, Query};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// A fine-tuned text classifier: a bundle made by Firebrand, or any sequence classifier of the supported families in a
/// directory of the Hugging Face hub's layout.
///
/// `precision` is "int8" or "fp32"; without it, int8 if the directory has weights in int8. `threads` is as many as there are
/// cores, if not given.
#[pyclass(frozen, module = "firebrand")]
struct Classifier(Inner);

#[pymethods]
impl Classifier {
    #[new]
    #[pyo3(signature = (path, *, precision=None, threads=None))]
    fn new(py: Python<'_>, path: PathBuf, precision: Option<&str>, threads: Option<usize>) -> PyResult<Self> {
        let precision = precision.map(str::parse).transpose().map_err(|error: Error| raise(&error))?;
        let threads = match threads {
            None => None,
            Some(threads) => Some(
                NonZeroUsize::new(threads).ok_or_else(|| PyValueError::new_err("threads is 0: expected at least 1"))?,
            ),
        };
        let options = Options { precision, threads, ..Options::default() };
        py.detach(|| Inner::open_with(path, &options)).map(Self).map_err(|error| raise(&error))
    }

    /// Classifies texts, in their order: a dictionary for each, with `label`, `score`, `scores` (every label's probability, the
    /// most likely first), `truncated_tokens` and `empty`; for a multi-label model `labels`, those that it assigns, instead of
    /// `label` and `score`.
    ///
    /// `pairs` has the second text of each, for a model of text pairs. A text that cannot be classified raises ValueError.
    #[pyo3(signature = (texts, *, pairs=None))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<String>,
        pairs: Option<Vec<String>>,
    ) -> PyResult<Bound<'py, PyList>> {
        if let Some(pairs) = pairs.as_ref().filter(|pairs| pairs.len() != texts.len()) {
            let problem = format!("there are {} texts, but {} in pairs", texts.len(), pairs.len());
            return Err(PyValueError::new_err(problem));
        }
        let answers = py.detach(|| {
            let queries: Vec<Query<'_>> = texts
                .iter()
                .enumerate()
                .map(|(index, text)| Query { text, pair: pairs.as_ref().map(|pairs| pairs[index].as_str()) })
                .collect();
            self.0.predict(&queries)
        });
        let list = PyList::empty(py);
        for (index, answer) in answers.into_iter().enumerate() {
            let answer = answer.map_err(|refusal| {
                PyValueError::new_err(format!("texts[{index}] {refusal}\nhint: {}", refusal.hint()))
            })?;
            list.append(dictionary(py, answer)?)?;
        }
        Ok(list)
    }

    /// The labels' names, in the model's order.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.0.labels().to_vec()
    }

    /// The arithmetic: "int8" or "fp32".
    #[getter]
    fn precision(&self) -> String {
        self.0.precision().to_string()
    }

    /// The most tokens per text, special tokens included; longer texts are truncated.
    #[getter]
    fn max_length(&self) -> usize {
        self.0.max_length()
    }

    /// Whether the model assigns any number of labels rather than exactly one.
    #[getter]
    fn multi_label(&self) -> bool {
        self.0.is_multi_label()
    }

    fn __repr__(&self) -> String {
        format!("<firebrand.Classifier of {} labels, {}>", self.0.labels().len(), self.0.precision())
    }
}

fn dictionary(py: Python<'_>, answer: Answer) -> PyResult<Bound<'_, PyDict>> {
    let dictionary = PyDict::new(py);
    let Answer { scores, assigned, truncated_tokens, empty } = answer;
    match assigned {
        Some(count) => {
            let labels: Vec<&str> = scores.iter().take(count).map(|score| score.label.as_str()).collect();
            dictionary.set_item("labels", labels)?;
        }
        None => {
            if let Some(first) = scores.first() {
                dictionary.set_item("label", &first.label)?;
                dictionary.set_item("score", first.score)?;
            }
        }
    }
    let by_label = PyDict::new(py);
    for score in &scores {
        by_label.set_item(&score.label, score.score)?;
    }
    dictionary.set_item("scores", by_label)?;
    dictionary.set_item("truncated_tokens", truncated_tokens)?;
    dictionary.set_item("empty", empty)?;
    Ok(dictionary)
}

fn raise(error: &Error) -> PyErr {
    let message = error.render();
    match error.kind() {
        ErrorKind::Usage | ErrorKind::Config | ErrorKind::Data => PyValueError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}

/// Classifies texts with a fine-tuned encoder on a CPU, without torch.
#[pymodule]
fn firebrand(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Classifier>()
}
