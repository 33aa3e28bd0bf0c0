"""Sliders on a page, and pictures for where no kernel runs.

panel = EditorPanel(load_editor("attgan"), people=faces.sample(8, seed=2_000_000))
strip(editor, images, labels, "Smiling")     # one attribute, several strengths
sheet(editor, images, labels)                # every attribute inverted, one at a time
AttentionViewer(load_editor("sagan"), people=people)         # mask, content, result, true region
attention_sheet(load_editor("sagan"), people, "Eyeglasses")  # the same as a picture
SketchPad(load_editor("s2fgan"), people[0])                  # draw with the mouse, the face follows; sliders beside it
sketch_sheet(load_editor("s2fgan"), people, "Smiling")       # the same as a picture
Comparison({"AttGAN": load_editor("attgan"), ...}, people)   # several editors under one slider
side_by_side({"AttGAN": load_editor("attgan"), ...}, people, "Smiling")  # the same as a picture
"""

from __future__ import annotations

from .attention import AttentionViewer, attention_sheet
from .comparison import Comparison
from .panel import EditorPanel
from .photo import PhotoError, read_photo
from .pictures import difference, sheet, side_by_side, strip, to_pil
from .sketchpad import SketchPad, sketch_sheet

__all__ = [
    "AttentionViewer",
    "Comparison",
    "EditorPanel",
    "PhotoError",
    "SketchPad",
    "attention_sheet",
    "difference",
    "read_photo",
    "sheet",
    "side_by_side",
    "sketch_sheet",
    "strip",
    "to_pil",
]
