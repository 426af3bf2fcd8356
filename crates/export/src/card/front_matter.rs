//! The card's front matter: YAML that the hub reads.

use serde_json::Value;

use super::Card;

impl Card<'_> {
    /// Between two lines of three dashes, with a final newline.
    pub(super) fn front_matter(&self) -> String {
        let mut yaml = String::from("---\nlibrary_name: transformers\npipeline_tag: text-classification\n");
        if let Some(model) = &self.sources.model.hub {
            yaml.push_str(&format!("base_model: {}\n", text(model)));
        }
        if let Some(data) = &self.sources.data.hub {
            yaml.push_str(&format!("datasets:\n- {}\n", text(data)));
        }
        yaml.push_str("tags:\n- text-classification\n- firebrand\nmetrics:\n- accuracy\n- f1\n");
        yaml.push_str(&self.model_index());
        yaml.push_str("---\n");
        yaml
    }

    /// The measured figures in the hub's form.
    fn model_index(&self) -> String {
        // The hub asks for a name and a type of every data set, of those that it does not have too.
        let (kind, name) = match &self.sources.data.hub {
            Some(hub) => (hub.as_str(), hub.as_str()),
            None => ("custom", self.name),
        };
        let interval = self.figures.accuracy_interval_95;
        let mut metrics = vec![
            metric("accuracy", "Accuracy", self.figures.accuracy),
            format!(
                "    - type: f1\n      name: Macro F1\n      value: {}\n      args:\n        average: macro\n",
                self.figures.macro_f1
            ),
        ];
        if let Some(f1) = self.parity.fp32.micro_f1 {
            metrics.push(format!(
                "    - type: f1\n      name: Micro F1\n      value: {f1}\n      args:\n        average: micro\n"
            ));
        }
        if let Some(int8) = &self.parity.int8 {
            metrics.push(metric("accuracy", "Accuracy of the int8 weights", int8.accuracy));
        }
        format!(
            "model-index:\n- name: {}\n  results:\n  - task:\n      type: text-classification\n      \
             name: Text Classification\n    dataset:\n      type: {}\n      name: {}\n      split: test\n    \
             # {} rows; the accuracy's 95 % interval is {:.4} to {:.4}\n    metrics:\n{}",
            text(self.name),
            text(kind),
            text(name),
            self.figures.rows,
            interval.low,
            interval.high,
            metrics.concat()
        )
    }
}

fn metric(kind: &str, name: &str, value: f64) -> String {
    format!("    - type: {kind}\n      name: {name}\n      value: {value}\n")
}

/// A text in double quotes: what JSON quotes, YAML reads as the same text.
fn text(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_yaml_would_misread_are_quoted() {
        assert_eq!(text("no: \"yes\" # x\n"), r##""no: \"yes\" # x\n""##);
    }
}
