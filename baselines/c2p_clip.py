"""C2P-CLIP: Category Common Prompt in CLIP (AAAI 2025, arXiv 2408.09647).

Idea: captions that carry one phrase for every real picture and another for every fake one steer
CLIP's image tower, fine-tuned with low-rank updates, through the contrastive loss; at test time
the tower and one linear unit remain.
Provenance: written from a description of the released inference code (github
chuangchuangtan/C2P-CLIP-DeepfakeDetection, 27b5232); no line of that repository is copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from baselines._clip import INPUT_RULE, SIDE, VIT_L14, ClipSizes, TowerDetector, TowerWithHead
from harness.api import DetectorSpec, Deviation, ScoreSpec, Weights

# transformers' names -> open_clip's, in full and inside a layer. The misspelling is theirs.
_OUTSIDE = {
    "model.vision_model.embeddings.class_embedding": "model.visual.class_embedding",
    "model.vision_model.embeddings.patch_embedding.weight": "model.visual.conv1.weight",
    "model.vision_model.embeddings.position_embedding.weight": "model.visual.positional_embedding",
    "model.vision_model.pre_layrnorm.weight": "model.visual.ln_pre.weight",
    "model.vision_model.pre_layrnorm.bias": "model.visual.ln_pre.bias",
    "model.vision_model.post_layernorm.weight": "model.visual.ln_post.weight",
    "model.vision_model.post_layernorm.bias": "model.visual.ln_post.bias",
    "model.fc.weight": "fc.weight",
    "model.fc.bias": "fc.bias",
}
_PROJECTION = "model.visual_projection.weight"
_LAYER = re.compile(r"model\.vision_model\.encoder\.layers\.(\d+)\.([a-z_0-9.]+)\.(weight|bias)")
_INSIDE = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_STACKED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official checkpoint's entries under this network's names.

    Query, key and value matrices, apart there, are stacked in this order; the projection is
    transposed.

    Raises:
        RuntimeError: an entry that no such checkpoint has, or a layer without all three matrices.
    """
    renamed: dict[str, Tensor] = {}
    stacks: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        layer = _LAYER.fullmatch(name)
        if name in _OUTSIDE:
            renamed[_OUTSIDE[name]] = value
        elif name == _PROJECTION:
            renamed["model.visual.proj"] = value.T
        elif layer and layer[2] in _INSIDE:
            block = f"model.visual.transformer.resblocks.{layer[1]}"
            renamed[f"{block}.{_INSIDE[layer[2]]}.{layer[3]}"] = value
        elif layer and layer[2] in _STACKED:
            block = f"model.visual.transformer.resblocks.{layer[1]}"
            stacks.setdefault(f"{block}.attn.in_proj_{layer[3]}", {})[layer[2]] = value
        else:
            raise RuntimeError(f"unexpected entry {name!r}")
    for name, parts in stacks.items():
        if len(parts) != len(_STACKED):
            raise RuntimeError(f"{name}: needs {_STACKED}, got {sorted(parts)} only")
        renamed[name] = torch.cat([parts[part] for part in _STACKED])
    return renamed


class C2PClipDetector(TowerDetector):
    """CLIP's embedding, scaled to unit length, through one linear unit."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Loads strictly this network's entries, or the official checkpoint's (transformers)."""
        official = any(name.startswith("model.vision_model.") for name in state)
        super().load_state_dict(from_transformers(state) if official else state)


def build(sizes: ClipSizes = VIT_L14) -> C2PClipDetector:
    return C2PClipDetector(TowerWithHead(unit_length=True, sizes=sizes))


DEVIATIONS = (
    Deviation(
        what="training",
        paper="low-rank updates of q, k and v; captions with category phrases through a "
        "contrastive loss, and binary cross-entropy (as recalled; not verified here)",
        code="inference only: no training code, no captions, no settings",
        here="no recipe: it is scored with the published checkpoint or a given file",
    ),
    Deviation(
        what="low-rank updates",
        paper="separate matrices",
        code="already merged into the checkpoint's weights",
        here="as the checkpoint",
    ),
    Deviation(
        what="preprocessing",
        paper="not described",
        code="short side to 224, then centre crop; Ojha, on the same tower, crops without resizing",
        here="as the code",
    ),
    Deviation(
        what="library version",
        paper="-",
        code="the released class passes `return_dict` and fails on transformers 4.57.1; it works "
        "with 4.46.3 and names 4.42.3",
        here="open_clip's tower, equal to the recorded output within 1e-5",
    ),
)

SPEC = DetectorSpec(
    name="c2p_clip",
    title="C2P-CLIP",
    family="clip",
    build=build,
    score=ScoreSpec(kind="logit", threshold=0.0),
    geometry={"*": f"resize({SIDE})|center_crop({SIDE})"},
    input_rule=INPUT_RULE,
    evaluation_size=(SIDE, SIDE),
    weights=(
        Weights(
            name="released",
            filename="C2P_CLIP_release_20240901.pth",
            url="https://www.now61.com/f/95OefW/",
            sha256="",
            licence="none stated: all rights reserved by default",
            trained_on="ForenSynths train: ProGAN and LSUN, classes car, cat, chair, horse "
            "(as recalled from the paper)",
            note="about 1.2 GB, published as C2P_CLIP_release_20240901.zip although it is a torch "
            "file: download it by hand and rename it; its sha256 is not known here",
        ),
    ),
    requires=("clip",),
    citation="Tan et al., C2P-CLIP: Injecting Category Common Prompt in CLIP to Enhance "
    "Generalization in Deepfake Detection, AAAI 2025, arXiv 2408.09647",
    deviations=DEVIATIONS,
    notes="224x224 only. The checkpoint holds its own image tower: OpenAI's file is not needed. "
    "Not trained here: its authors published no training code.",
)
