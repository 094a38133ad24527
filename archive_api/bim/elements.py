"""Elements of one model, out of its index."""

from __future__ import annotations

from archive_api.bim.schemas import AttributeOut, ElementDetail, ElementOut, ElementRef, PropertyOut
from archive_api.errors import NotFoundError
from ledger.adapters.model_index import ModelIndex
from ledger.bim.element import ElementProof
from ledger.bim.schema import Aspect

__all__ = ["element_detail", "element_out"]


def element_out(model: ModelIndex, position: int) -> ElementOut:
    """An element in a list."""
    view = model.view(position)
    return ElementOut(global_id=view.global_id, ifc_class=view.class_name, name=view.name, storey=view.storey)


def element_detail(model: ModelIndex, global_id: str) -> ElementDetail:
    """One element.

    Raises:
        NotFoundError: the model does not have it.
        PolicyError: `duplicate_global_id`: it occurs more than once (`ledger.errors`).
    """
    position = model.position(global_id)
    if position is None:
        raise NotFoundError(f"expected an element of the model, got none with GlobalId {global_id}")
    view = model.view(position)
    holders = [model.view(place) for place in view.spatial_path]
    return ElementDetail(
        global_id=view.global_id,
        ifc_class=view.class_name,
        name=view.name,
        storey=view.storey,
        spatial_path=[
            ElementRef(global_id=holder.global_id, ifc_class=holder.class_name, name=holder.name) for holder in holders
        ],
        attributes=[AttributeOut(name=name, value=value) for name, value in view.attributes],
        properties=[
            PropertyOut(set_name=set_name, name=name, value=value, unit=unit)
            for set_name, name, value, unit in view.properties
        ],
        aspects={aspect.label: model.aspect_notation(position, aspect) for aspect in Aspect},
        proof=ElementProof.build(model, global_id).to_json(),
    )
