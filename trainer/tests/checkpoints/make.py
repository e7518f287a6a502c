"""Writes the tiny random encoders of this folder with what Hugging Face's transformers and PEFT make of them.

    pip install -r trainer/tests/checkpoints/requirements.txt
    python trainer/tests/checkpoints/make.py

For each family NAME a folder with `config.json`, `model.safetensors`, `adapter/` (a LoRA adapter as PEFT
writes it) and `expected.safetensors`: the inputs (`ids.K`, `types.K`, one array a sequence, `labels`), the logits and
hidden states in double precision (`logits` (N, classes), `hidden.L.K` (tokens, d)), the loss, and the
gradients of the LoRA factors (`gradient.NAME`), on the same weights converted to double precision.
"""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

HERE = Path(__file__).resolve().parent
LENGTHS = (1, 5, 11, 3, 8)
SIZES = dict(
    vocab_size=64,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    num_labels=3,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.3,
)
FAMILIES = {
    "bert": (BertConfig, BertForSequenceClassification, dict(max_position_embeddings=12, type_vocab_size=2)),
    "roberta": (
        RobertaConfig,
        RobertaForSequenceClassification,
        dict(max_position_embeddings=14, type_vocab_size=1, pad_token_id=1, hidden_act="gelu_new"),
    ),
}


def shaken(model):
    """Moves biases and normalizations too, so that each of them matters."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name or "LayerNorm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def make(name):
    torch.manual_seed(7)
    config_of, model_of, extra = FAMILIES[name]
    config = config_of(**SIZES, **extra)
    config._attn_implementation = "eager"
    folder = HERE / name
    model = shaken(model_of(config)).eval()
    model.save_pretrained(folder)
    # Which version wrote it does not matter.
    written = json.loads((folder / "config.json").read_text())
    written.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")

    low = config.pad_token_id + 1  # no padding inside of a sequence
    ids = [torch.randint(low, config.vocab_size, (1, n)) for n in LENGTHS]
    types = [torch.randint(0, config.type_vocab_size, (1, n)) for n in LENGTHS]
    labels = torch.arange(len(LENGTHS)) % config.num_labels

    lora = LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=3, target_modules=["query", "value"], lora_dropout=0.0)
    tensors = {}
    with torch.no_grad():
        double = model.double()
        logits = []
        for k, (i, t) in enumerate(zip(ids, types)):
            out = double(input_ids=i, token_type_ids=t, output_hidden_states=True)
            logits.append(out.logits[0])
            for layer, hidden in enumerate(out.hidden_states):
                tensors[f"hidden.{layer}.{k}"] = hidden[0]
        tensors["logits"] = torch.stack(logits)
    adapted = get_peft_model(model.float(), lora)
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "lora_B" in key:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    adapted = adapted.double().eval()
    logits = torch.cat([adapted(input_ids=i, token_type_ids=t).logits for i, t in zip(ids, types)])
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    tensors["adapted.logits"], tensors["adapted.loss"] = logits.detach(), loss.detach().reshape(1)
    for key, parameter in adapted.named_parameters():
        if parameter.grad is not None:
            tensors["gradient." + key.replace("base_model.model.", "").replace(".default", "")] = parameter.grad
    for k, (i, t) in enumerate(zip(ids, types)):
        tensors[f"ids.{k}"], tensors[f"types.{k}"] = i[0], t[0]
    tensors["labels"] = labels
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")


for family in FAMILIES:
    make(family)
