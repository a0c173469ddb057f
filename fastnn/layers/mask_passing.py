"""Masks on their way through a layer: from what it is called on to its output."""

import warnings

from fastnn import tree
from fastnn.graph.masks import carry, mask_of
from fastnn.layers.calling import call_signature, holds_tensors


class MaskPassing:
    """The part of `Layer` that takes masks from arguments and gives them to outputs."""

    supports_masking = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "compute_mask" in cls.__dict__ and "supports_masking" not in cls.__dict__:
            cls.supports_masking = True

    def compute_mask(self, inputs, previous_mask):
        """The mask of the output, for layers with ``supports_masking``: that of the input, unless defined otherwise."""
        return previous_mask

    def _take_masks(self, first, args, kwargs):
        """(masks of the first argument, whether any argument carries one); call() gets those that it asks for.

        As in Keras: ``mask`` where one argument alone holds tensors, else ``query_mask`` for ``query``, and so on.
        """
        if not any(mask_of(x) is not None for x in tree.flatten((args, kwargs))):
            return kwargs.get("mask"), kwargs.get("mask") is not None
        signature = call_signature(type(self))
        given = signature.bind(self, *args, **kwargs).arguments
        holding = {name: value for name, value in list(given.items())[1:] if holds_tensors(value)}
        for name, value in holding.items():
            wanted = "mask" if len(holding) == 1 else f"{name}_mask"
            if wanted in signature.parameters and given.get(wanted) is None:
                kwargs[wanted] = tree.map_structure(mask_of, value)
        if len(holding) > 1 and "mask" in signature.parameters and given.get("mask") is None:
            warnings.warn(
                f"{self}: the mask of its input is not used, as in Keras, because the call has several tensors "
                f"({', '.join(holding)}): pass it as mask=... to use it",
                stacklevel=3,
            )
        masks = kwargs.get("mask")
        return (tree.map_structure(mask_of, first) if masks is None else masks), True

    def _give_masks(self, first, outputs, masks, masked):
        """Let the outputs carry the masks that `compute_mask` gives, if the call has not done it."""
        if not self.supports_masking:
            if masked and any(mask is not None for mask in tree.flatten(masks)):
                warnings.warn(
                    f"{self} does not support masking: the mask of its input ends here, later layers do not see it",
                    stacklevel=3,
                )
            return
        own = type(self).compute_mask is not MaskPassing.compute_mask
        outputs = tree.flatten(outputs)
        if not (masked or own) or all(mask_of(y) is not None for y in outputs):
            return
        for y, mask in zip(outputs, tree.flatten(self.compute_mask(first, masks)), strict=False):
            if mask is not None and mask_of(y) is None:
                carry(y, mask)
