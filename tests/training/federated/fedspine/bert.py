"""A small BERT of the tests' own, and what a mask makes of it."""

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from training.federated.systems.fedspine.structure import CHANNELS, HEADS, Kept

LAYERS, HIDDEN, HEAD_COUNT, FFN, TOKENS = 3, 32, 4, 48, 9


def small_bert(attention: str = "sdpa", seed: int = 0) -> BertForSequenceClassification:
    """Three layers of four heads, weights drawn wide enough for every part to matter."""
    torch.manual_seed(seed)
    config = BertConfig(
        num_hidden_layers=LAYERS,
        hidden_size=HIDDEN,
        num_attention_heads=HEAD_COUNT,
        intermediate_size=FFN,
        vocab_size=50,
        max_position_embeddings=16,
        num_labels=5,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
        attn_implementation=attention,
    )
    model = BertForSequenceClassification(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def texts(count: int = 6, seed: int = 1) -> torch.Tensor:
    """Rows of token numbers."""
    return torch.randint(1, 50, (count, TOKENS), generator=torch.Generator().manual_seed(seed))


def masked(model: BertForSequenceClassification, kept: Kept) -> BertForSequenceClassification:
    """The same model at full size whose pruned structures are set to nothing."""
    size = HIDDEN // HEAD_COUNT
    with torch.no_grad():
        for number, layer in enumerate(model.base_model.encoder.layer):
            heads = torch.zeros(HEAD_COUNT).index_fill(0, torch.tensor(kept.heads[number]), 1.0)
            rows = heads.repeat_interleave(size)
            channels = torch.zeros(FFN).index_fill(0, torch.tensor(kept.channels[number]), 1.0)
            for part in ("query", "key", "value"):
                linear = getattr(layer.attention.self, part)
                linear.weight *= rows[:, None]
                linear.bias *= rows
            layer.attention.output.dense.weight *= rows[None, :]
            layer.intermediate.dense.weight *= channels[:, None]
            layer.intermediate.dense.bias *= channels
            layer.output.dense.weight *= channels[None, :]
    return model


def importance(seed: int = 2) -> dict[str, np.ndarray]:
    """Scores at random."""
    rng = np.random.default_rng(seed)
    return {
        HEADS: rng.random((LAYERS, HEAD_COUNT)),
        CHANNELS: rng.random((LAYERS, FFN)),
    }
