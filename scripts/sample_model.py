"""A small IFC4 model written for tests and vectors: a fire door and a wall on a storey."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from ledger.bim.element import ElementProof
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.item import ElementItem
from ledger.bim.models import ModelFacts, model_entry
from ledger.bim.reader import ModelReader
from ledger.bim.reference import ReferenceKernel
from ledger.entries import ModelEntry
from ledger.merkle import AuditPath, inclusion_proof

DOOR, WALL, STOREY, BUILDING = (
    "1hOSvn6df7F8_7GcBWlRGQ",
    "2O2Fr$t4X7Zf8NOew3FLOH",
    "0Storey$$$$$$$$$$$$$$1",
    "0Building$$$$$$$$$$$$1",
)

MODEL = f"""ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('','2026-11-22T08:00:00',(''),(''),'','','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCPERSON($,'Li',$,$,$,$,$,$);
#2=IFCORGANIZATION($,'\\X2\\5E7F5DDE793A4F8B\\X0\\',$,$,$);
#3=IFCPERSONANDORGANIZATION(#1,#2,$);
#4=IFCAPPLICATION(#2,'1','Model maker','maker');
#5=IFCOWNERHISTORY(#3,#4,$,.NOCHANGE.,$,$,$,1763798400);
#6=IFCSIUNIT(*,.LENGTHUNIT.,.MILLI.,.METRE.);
#7=IFCCARTESIANPOINT((0.,0.,0.));
#8=IFCAXIS2PLACEMENT3D(#7,$,$);
#9=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#8,$);
#10=IFCPROJECT('0Project$$$$$$$$$$$$$1',#5,'P',$,$,$,$,(#9),#11);
#11=IFCUNITASSIGNMENT((#6));
#12=IFCLOCALPLACEMENT($,#8);
#13=IFCBUILDING('{BUILDING}',#5,'1#',$,$,#12,$,$,.ELEMENT.,$,$,$);
#14=IFCLOCALPLACEMENT(#12,#8);
#15=IFCBUILDINGSTOREY('{STOREY}',#5,'F1',$,$,#14,$,$,.ELEMENT.,0.);
#16=IFCRELAGGREGATES('0RelAggregates$$$$$$$1',#5,$,$,#10,(#13));
#17=IFCRELAGGREGATES('0RelAggregates$$$$$$$2',#5,$,$,#13,(#15));
#18=IFCCARTESIANPOINT((1200.,0.,0.));
#19=IFCAXIS2PLACEMENT3D(#18,$,$);
#20=IFCLOCALPLACEMENT(#14,#19);
#21=IFCBOUNDINGBOX(#7,900.,50.,2100.);
#22=IFCSHAPEREPRESENTATION(#9,'Box','BoundingBox',(#21));
#23=IFCPRODUCTDEFINITIONSHAPE($,$,(#22));
#24=IFCDOOR('{DOOR}',#5,'FM1021 \\X2\\75327EA79632706B95E8\\X0\\',$,$,#20,#23,'D-01',2100.,900.,.DOOR.,
  .SINGLE_SWING_LEFT.,$);
#25=IFCLOCALPLACEMENT(#14,#8);
#26=IFCWALL('{WALL}',#5,'Wall',$,$,#25,$,$,.SOLIDWALL.);
#27=IFCRELCONTAINEDINSPATIALSTRUCTURE('0RelContained$$$$$$$$1',#5,$,$,(#24,#26),#15);
#28=IFCPROPERTYSINGLEVALUE('FireRating',$,IFCLABEL('\\X2\\7532\\X0\\1.50h'),$);
#29=IFCPROPERTYSINGLEVALUE('IsExternal',$,IFCBOOLEAN(.F.),$);
#30=IFCPROPERTYSINGLEVALUE('Thickness',$,IFCLENGTHMEASURE(50.),#6);
#31=IFCPROPERTYSET('0PsetDoorCommon$$$$$$1',#5,'Pset_DoorCommon',$,(#28,#29,#30));
#32=IFCRELDEFINESBYPROPERTIES('0RelProperties$$$$$$$1',#5,$,$,(#24),#31);
#33=IFCMATERIAL('\\X2\\94A2\\X0\\',$,$);
#34=IFCRELASSOCIATESMATERIAL('0RelMaterial$$$$$$$$$1',#5,$,$,(#24),#33);
#35=IFCDOORTYPE('0DoorType$$$$$$$$$$$$1',#5,'FM1021',$,$,(#38),$,$,$,.DOOR.,.SINGLE_SWING_LEFT.,$,$);
#36=IFCRELDEFINESBYTYPE('0RelType$$$$$$$$$$$$$1',#5,$,$,(#24),#35);
#37=IFCPROPERTYSINGLEVALUE('SelfClosing',$,IFCBOOLEAN(.T.),$);
#38=IFCPROPERTYSET('0PsetDoorType$$$$$$$$1',#5,'Pset_DoorCommon',$,(#37));
#39=IFCCOLOURRGB($,0.8,0.1,0.1);
#40=IFCSURFACESTYLERENDERING(#39,$,$,$,$,$,$,$,.FLAT.);
#41=IFCSURFACESTYLE($,.BOTH.,(#40));
#42=IFCSTYLEDITEM(#21,(#41),$);
ENDSEC;
END-ISO-10303-21;
""".encode("ascii")


@cache
def fingerprint() -> Fingerprint:
    """Return the model's fingerprint."""
    return Fingerprint.of(ReferenceKernel().scan(MODEL))


def reader(step: bytes = MODEL) -> ModelReader:
    """Return a reader of a model."""
    return ModelReader(step, fingerprint() if step == MODEL else Fingerprint.of(ReferenceKernel().scan(step)))


def entry(step: bytes = MODEL, label: str = "model") -> ModelEntry:
    """Return the model entry of a model."""
    made = fingerprint() if step == MODEL else Fingerprint.of(ReferenceKernel().scan(step))
    facts = ModelFacts(
        schema=made.schema,
        file_sha256=sha256(step).digest(),
        root=made.root,
        content_root=made.content_root,
        entities=made.entities,
        elements=made.elements,
        duplicate_global_ids=len(made.duplicates),
    )
    return model_entry(facts.file_sha256, facts, stage="as_built", salt=sha256(f"salt of {label}".encode()).digest())


def models() -> tuple[ModelEntry, ...]:
    """Return the model's entry and that of another one, in the order of a manifest."""
    other = entry(MODEL.replace(b"FM1021 ", b"FM1022 "), "another model")
    return tuple(sorted((entry(), other), key=lambda one: one.file_sha256))


def item(global_id: str = DOOR) -> ElementItem:
    """Return what evidence says of an element of the model."""
    entries = models()
    path = AuditPath.of(inclusion_proof([one.leaf_hash for one in entries], entries.index(entry())))
    return ElementItem(entry(), path, ElementProof.build(reader(), global_id))
