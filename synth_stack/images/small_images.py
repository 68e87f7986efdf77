"""Small images for people to look at: decoded, made smaller and encoded anew, so that nothing else of a file
of strangers comes along.
"""

import base64
import io

from synth_stack.images.decoding import Pixels


def encode_small(pixels: Pixels, side: int, *, quality: int) -> str:
    """Pixels as a JPEG in a `data:` URL (RFC 2397), no side longer than `side`."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(kept.getvalue()).decode('ascii')}"
