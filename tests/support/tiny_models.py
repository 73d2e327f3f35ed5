"""What tiny random models for tests are made of: tokenizers without a download, weights that respond, a hub's cache.

No weights can be had in a test; each adapter is tested on a model of a few kilobytes that its test builds from a
config and saves with ``save_pretrained``, through the same loading as in production.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHA = "0123456789abcdef0123456789abcdef01234567"

_QWEN_SPECIALS = [
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
    "<|video_pad|>",
]  # fmt: skip
QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def quiet() -> None:
    """One thread, no progress bars, no chatter: what a busy machine of two cores needs."""
    import diffusers.utils.logging
    import torch
    import tqdm
    import transformers.utils.logging

    torch.set_num_threads(1)
    tqdm.tqdm.monitor_interval = 0  # else the first bar, shown or not, starts a thread that stays
    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def _byte_alphabet() -> list[str]:
    """The 256 printable stand-ins of byte-level BPE."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def clip_tokenizer(max_length: int = 77) -> Any:
    from transformers import CLIPTokenizer

    letters = _byte_alphabet()
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=max_length
    )


def t5_tokenizer(extra_ids: int = 10) -> Any:
    from transformers import T5Tokenizer

    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocab += [(chr(c), -3.0) for c in range(33, 127)]
    vocab += [(f"<extra_id_{i}>", 0.0) for i in range(extra_ids - 1, -1, -1)]
    return T5Tokenizer(vocab=vocab, extra_ids=extra_ids, model_max_length=512)


def qwen_tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    vocab = {word: i for i, word in enumerate(_byte_alphabet())}
    vocab["<|endoftext|>"] = len(vocab)
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": _QWEN_SPECIALS})
    tokenizer.chat_template = QWEN_TEMPLATE
    return tokenizer


def bert_tokenizer() -> Any:
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [chr(c) for c in range(33, 127)] + [f"##{chr(c)}" for c in range(33, 127)]
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)}, model_max_length=256)


def livened(model: Any, seed: int = 0, gain: float = 1.0) -> Any:
    """With weights as large as their fan-in asks for: as initialised, a tiny model's output hardly varies."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, gain / max(1, weights[0].numel()) ** 0.5, generator=generator)
    return model.eval()


def published(folder: Path, repo: str, cache: Path, revision: str = SHA) -> None:
    """Lay a saved model into a hub's cache, as a download would have."""
    place = cache / f"models--{repo.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text(revision)
    shutil.copytree(folder, place / "snapshots" / revision)


def photo(width: int = 64, height: int = 64, seed: int = 0) -> np.ndarray:
    """[H, W, 3] float32 in [0, 1]: soft patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32) / np.float32(255.0)
