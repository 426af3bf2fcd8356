//! The card's section on how to use the model.

use super::Card;

pub(super) fn section(card: &Card<'_>) -> String {
    let python = if card.mean_pooling() { with_mean_pooling(card) } else { with_pipeline(card) };
    let arguments = if card.pairs() { "\"some text\" --pair \"another\"" } else { "\"some text\"" };
    format!(
        "## How to use it\n\nWith Firebrand, which cleans the texts as in training:\n\n\
         ```sh\ncargo xtask predict path/to/bundle {arguments}\n```\n\n{python}"
    )
}

/// For models that transformers has a class for.
fn with_pipeline(card: &Card<'_>) -> String {
    let input = if card.pairs() { "{\"text\": \"some text\", \"text_pair\": \"another\"}" } else { "\"some text\"" };
    let scores = if card.multi_label() {
        "\nEach score is between 0 and 1 on its own: `config.json` tells `transformers` that a text may have several labels.\n"
    } else {
        ""
    };
    format!(
        "With `transformers`:\n\n\
         ```python\nfrom transformers import pipeline\n\n\
         classifier = pipeline(\"text-classification\", model=\"path/to/bundle\", truncation=True)\n\
         print(classifier({input}, top_k=None))\n```\n{scores}"
    )
}

/// For models of which transformers can load only the encoder.
fn with_mean_pooling(card: &Card<'_>) -> String {
    let architecture = card.classifier.config().architecture;
    let arguments = if card.pairs() { "[\"some text\"], [\"another\"]" } else { "[\"some text\"]" };
    let scores = if card.multi_label() { "logits.sigmoid()" } else { "logits.softmax(dim=-1)" };
    format!(
        "`transformers` has no class for a head over the mean of the hidden states. Do not load this directory with \
         `pipeline` or `{architecture}`: they replace it by an untrained head, and their predictions are meaningless. The \
         encoder and the tokenizer load as usual, and the head is one linear layer:\n\n\
         ```python\n\
         import torch\n\
         from safetensors.torch import load_file\n\
         from transformers import AutoModel, AutoTokenizer\n\n\
         path = \"path/to/bundle\"\n\
         tokenizer = AutoTokenizer.from_pretrained(path)\n\
         encoder = AutoModel.from_pretrained(path).eval()\n\
         weights = load_file(f\"{{path}}/model.safetensors\")\n\n\
         batch = tokenizer({arguments}, padding=True, truncation=True, return_tensors=\"pt\")\n\
         with torch.no_grad():\n    \
             states = encoder(**batch).last_hidden_state\n    \
             mask = batch[\"attention_mask\"].unsqueeze(-1)\n    \
             mean = (states * mask).sum(dim=1) / mask.sum(dim=1)\n    \
             logits = mean @ weights[\"mean_pooling.classifier.weight\"].T + weights[\"mean_pooling.classifier.bias\"]\n\
         print(encoder.config.id2label, {scores})\n```\n"
    )
}
