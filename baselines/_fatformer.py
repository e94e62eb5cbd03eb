"""FatFormer's network: CLIP with forgery-aware adapters and language-guided alignment.

Entry names are the official checkpoint's. Written from a description of the released inference
code (github Michel-liu/FatFormer, febc24c), with torch's attention and a Haar transform by slicing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines._clip import CONTEXT, VIT_L14, ClipSizes, both_towers

PROMPT_WORDS = 8
# CLIP's tokens: start, eight times "x" (replaced by learned vectors), word, full stop, end.
START, PLACEHOLDER, FULL_STOP, END = 49406, 343, 269, 49407
WORDS = (1532, 5777)  # "real", "fake": the order of the classes
END_POSITION = 1 + PROMPT_WORDS + 2


def haar(x: Tensor) -> Tensor:
    """(N, C, 2h, 2w) -> (N, C, 4, h, w): orthonormal one-level Haar transform.

    Bands: mean, top minus bottom, left minus right, diagonal; each half a signed sum of a cell.
    """
    top, bottom = x[..., ::2, :], x[..., 1::2, :]
    low, high = top + bottom, top - bottom
    even, odd = slice(0, None, 2), slice(1, None, 2)
    bands = [
        low[..., even] + low[..., odd],
        high[..., even] + high[..., odd],
        low[..., even] - low[..., odd],
        high[..., even] - high[..., odd],
    ]
    return torch.stack(bands, dim=2) / 2


def inverse_haar(bands: Tensor) -> Tensor:
    """(N, C, 4, h, w) -> (N, C, 2h, 2w): the inverse of :func:`haar`."""
    mean, vertical, horizontal, diagonal = bands.unbind(2)
    top = torch.stack(
        [mean + vertical + horizontal + diagonal, mean + vertical - horizontal - diagonal], -1
    )
    bottom = torch.stack(
        [mean - vertical + horizontal - diagonal, mean - vertical - horizontal + diagonal], -1
    )
    return torch.stack([top.flatten(-2), bottom.flatten(-2)], dim=-2).flatten(-3, -2) / 2


class ForgeryAwareAdapter(nn.Module):
    """The side branch: 0.1 x bottleneck of every token + ``freq_scale`` x frequency branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.freq_scale = nn.Parameter(torch.zeros(1))
        self.first_conv_layer = nn.Conv1d(width, 64, 1)
        self.second_conv_layer = nn.Conv1d(64, width, 1)
        self.dropout = nn.Dropout(0.1)
        self.dwt_norm = nn.GroupNorm(128, width)
        # The official names say the opposite of what the two attend over.
        self.intra_band = nn.MultiheadAttention(width, 8, batch_first=True)
        self.norm_intra = nn.LayerNorm(width)
        self.inter_band = nn.MultiheadAttention(width, 8, batch_first=True)
        self.norm_inter = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm3 = nn.LayerNorm(width)

    def spatial(self, tokens: Tensor) -> Tensor:
        """(N, L, width) -> (N, L, width): a bottleneck of two 1x1 convolutions."""
        hidden = self.first_conv_layer(tokens.transpose(1, 2)).relu()
        changed: Tensor = self.second_conv_layer(self.dropout(hidden))
        return changed.transpose(1, 2)

    def frequency(self, patches: Tensor) -> Tensor:
        """(N, P, width), P a square number -> (N, P, width): attention on Haar bands."""
        count, places, width = patches.shape
        side = int(places**0.5)
        bands = haar(patches.transpose(1, 2).reshape(count, width, side, side))
        # Flat, as torch's GroupNorm crashes in backward on a 4-d channels-last leaf (2.13, CPU).
        x = self.dwt_norm(bands.flatten(2)).unflatten(2, (4, -1))
        x = x.permute(0, 3, 2, 1)  # N, places / 4, 4, width
        x = _attended(self.intra_band, self.norm_intra, x)  # across the bands of a place
        x = _attended(self.inter_band, self.norm_inter, x.transpose(1, 2))  # across places
        x = self.norm3(x + self.linear2(self.linear1(x).relu()))
        bands = x.permute(0, 3, 1, 2).reshape(bands.shape)
        return inverse_haar(bands).flatten(2).transpose(1, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, 1 + P, width), class token first -> (N, 1 + P, width)."""
        frequency = nn.functional.pad(self.frequency(tokens[:, 1:]), (0, 0, 1, 0))
        changes: Tensor = 0.1 * self.spatial(tokens) + self.freq_scale * frequency
        return changes


def _attended(attention: nn.MultiheadAttention, norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """(N, A, B, C) -> the same shape: self-attention along B for every (N, A), residual, norm."""
    rows = x.flatten(0, 1)
    rows = norm(rows + attention(rows, rows, rows, need_weights=False)[0])
    attended: Tensor = rows.reshape(x.shape)
    return attended


class AdaptedBlock(nn.Module):
    """One of CLIP's residual blocks with an adapter beside its MLP."""

    def __init__(self, block: Any, width: int) -> None:
        super().__init__()
        self.attn, self.ln_1, self.mlp, self.ln_2 = block.attn, block.ln_1, block.mlp, block.ln_2
        self.forgery_aware_adapter = ForgeryAwareAdapter(width)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(N, L, width) -> (N, L, width); the adapter reads the stream before the norm."""
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=attn_mask)[0]
        changed: Tensor = x + self.mlp(self.ln_2(x)) + self.forgery_aware_adapter(x)
        return changed


class _Refinement(nn.Module):
    """Cross-attention and a two-layer perceptron, each with residual and LayerNorm after it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)

    def refined(self, attention: nn.MultiheadAttention, queries: Tensor, others: Tensor) -> Tensor:
        """(N, Q, width) and (N, K, width) -> (N, Q, width)."""
        x = self.norm1(queries + attention(queries, others, others, need_weights=False)[0])
        refined: Tensor = self.norm2(x + self.linear2(self.linear1(x).relu()))
        return refined


class LanguageGuidedAlignment(_Refinement):
    """Learned prompt words that have attended to the picture, between fixed tokens."""

    token_prefix: Tensor
    token_suffix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.ctx = nn.Parameter(0.02 * torch.randn(PROMPT_WORDS, width))
        rest = CONTEXT - 1 - PROMPT_WORDS
        self.register_buffer("token_prefix", torch.zeros(len(WORDS), 1, width))
        self.register_buffer("token_suffix", torch.zeros(len(WORDS), rest, width))
        self.patch_basaed_enhancer = nn.MultiheadAttention(width, width // 64, batch_first=True)

    def words(self, tokens: Tensor) -> Tensor:
        """Image tokens (N, L, width) -> (N, 8, width), class token included among the keys."""
        learned = self.ctx.expand(len(tokens), -1, -1)
        return self.refined(self.patch_basaed_enhancer, learned, tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Image tokens (N, L, width) -> prompts (N, 2, 77, width)."""
        words = self.words(tokens)[:, None].expand(-1, len(WORDS), -1, -1)
        start = self.token_prefix.expand(len(tokens), -1, -1, -1)
        rest = self.token_suffix.expand(len(tokens), -1, -1, -1)
        return torch.cat([start, words, rest], dim=2)

    def take_tokens(self, embeddings: Tensor) -> None:
        """Fills the fixed tokens from CLIP's token table (49408, width)."""
        for number, word in enumerate(WORDS):
            sentence = [START, *[PLACEHOLDER] * PROMPT_WORDS, word, FULL_STOP, END]
            ids = torch.tensor(sentence + [0] * (CONTEXT - len(sentence)))
            rows = embeddings[ids]
            self.token_prefix[number].copy_(rows[:1])
            self.token_suffix[number].copy_(rows[1 + PROMPT_WORDS :])


class FatFormerNetwork(_Refinement):
    """Normalised (N, 3, 224, 224) -> (N, 2) logits of real and fake.

    Args:
        adapters: blocks with a side branch; the last of each of so many equal parts of the tower.
        sizes: of CLIP.
    """

    def __init__(self, adapters: int = 3, sizes: ClipSizes = VIT_L14) -> None:
        super().__init__(sizes.output)
        self.clip_model = both_towers(sizes)
        self.clip_model.requires_grad_(False)
        blocks = self.clip_model.visual.transformer.resblocks
        step = sizes.layers // adapters
        for last in range(step - 1, step * adapters, step):
            blocks[last] = AdaptedBlock(blocks[last], sizes.width)
        self.language_guided_alignment = LanguageGuidedAlignment(sizes.text_width)
        heads = sizes.output // 64
        self.text_guided_interactor = nn.MultiheadAttention(sizes.output, heads, batch_first=True)

    def image_tokens(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 257, 768), class token first, not of unit length."""
        visual = self.clip_model.visual
        x = visual.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = visual.transformer(visual.ln_pre(x + visual.positional_embedding))
        tokens: Tensor = visual.ln_post(x) @ visual.proj
        return tokens

    def text_embeddings(self, prompts: Tensor) -> Tensor:
        """Prompts (N, 2, 77, width) -> (N, 2, 768), one embedding a class and picture."""
        clip = self.clip_model
        x = prompts.flatten(0, 1) + clip.positional_embedding
        x = clip.transformer(x, attn_mask=clip.attn_mask)
        embedded: Tensor = clip.ln_final(x)[:, END_POSITION] @ clip.text_projection
        return embedded.reshape(*prompts.shape[:2], -1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 3, 224, 224) -> (N, 2)."""
        tokens = self.image_tokens(x)
        texts = self.text_embeddings(self.language_guided_alignment(tokens))
        patches = self.refined(self.text_guided_interactor, tokens[:, 1:], texts).mean(1)
        picture = torch.stack([tokens[:, 0], patches], dim=1)
        similarity = nn.functional.cosine_similarity(picture[:, :, None], texts[:, None], dim=-1)
        logits: Tensor = self.clip_model.logit_scale.exp() * similarity.sum(1)
        return logits
