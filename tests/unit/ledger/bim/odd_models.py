"""Small models that each stretch one rule of the format, sound and unsound ones, for comparing the kernels."""

# ruff: noqa: E501 - a model a line reads better than one cut in pieces
from __future__ import annotations

__all__ = ["ODD_FILES", "model"]

_A, _B, _C = "'1hOSvn6df7F8_7GcBWlRGQ'", "'1hOSvn6df7F8_7GcBWlRGR'", "'1hOSvn6df7F8_7GcBWlRGS'"


def model(data: str | bytes, schema: str = "IFC4") -> bytes:
    """A whole file around the entities given."""
    body = data if isinstance(data, bytes) else data.encode()
    return b"ISO-10303-21;HEADER;FILE_SCHEMA(('%b'));ENDSEC;DATA;%b\nENDSEC;END-ISO-10303-21;" % (schema.encode(), body)


_PLACED = f"#1=IFCWALL({_A},$,$,$,$,#2,$,$,$);#2=IFCLOCALPLACEMENT($,#9);#9=IFCAXIS2PLACEMENT3D(#8,$,$);#8=IFCCARTESIANPOINT((0.,0.,0.));"
_NUMBERS = (
    "1.",
    "1.0",
    "0.1E1",
    "1E0",
    "-0.",
    "-0.0E-5",
    "+7.",
    "0.30000000000000004",
    "5E-324",
    "2.4703282292062327E-324",
    "2.4703282292062328E-324",
    "1.7976931348623157E308",
    "9007199254740993.",
    "9007199254740992.99999999999999999999999999",
    "2.2250738585072011E-308",
    "123456789012345678901234567890.",
    "1E-400",
    "0E999999999",
    "000000000000000000000000001.5",
    "8.5",
    "7450580596923828125E-27",
)
_STRINGS = (
    r"''",
    "''''",
    r"'a''b'",
    r"'\\'",
    r"'\X\e9'",
    r"'\X\E9'",
    r"'\X\G9'",
    r"'\X2\00e4D83DDE00\X0\'",
    r"'\X4\0001F600\X0\'",
    r"'\X2\\X0\'",
    r"'\N\\F\x'",
    r"'\PB\\S\1'",
    r"'\S\'''",
    r"'\S\\'",
    r"'\S\ '",
    r"'\PJ\'",
    r"'\Px\'",
    r"'\S\d\PI\\S\d'",
    r"'\X0\'",
    r"'\X'",
    r"'\'",
    r"'\\X2\'",
    r"'\P'",
    r"'\S\~'",
    r"'\PH\\S\}'",
)
_UNSOUND_STRINGS = (
    r"'\X2\00e\X0\'", r"'\X2\00e4'", r"'\X2\D83D\X0\'", r"'\X2\DE00\X0\'", r"'\X2\D83DD83D\X0\'", r"'\X2\D83D0041\X0\'",
    r"'\X4\0000D800\X0\'", r"'\X4\00110000\X0\'", r"'\X4\0001F60\X0\'", r"'\X2\00E4\X2\'", r"'\PC\\S\%'", r"'\PH\\S\!'",
    r"'\X2\00''E4\X0\'",
)  # fmt: skip

_SOUND = (
    "", "#18446744073709551615=A();",
    "#1=IFCCARTESIANPOINT((0.,1,-0));#2=IFCDIRECTION((1.,0.));#3=IFCPOLYLINE((#1,#1));",
    " /* a */ #0001 /**/ = /* ' */ ifcCartesianPoint ( ( 0. , 1. ) ) /* ; */ ; ",
    "#18446744073709551615=IFCDIRECTION((1.,0.));#2=IFCVECTOR(#18446744073709551615,1);#3=A((#2,#18446744073709551615));",
    "#5=IFCORGANIZATION($,'b',$,(#4,#3),$);#4=IFCACTORROLE(.OWNER.,$,$);#3=IFCACTORROLE(.architect.,$,$);",
    # sets, their order, nested and with more than references
    "#1=IFCSHAPEREPRESENTATION(#2,$,$,(#3,#4,#3));#2=A();#3=B(1);#4=B(2);#5=IFCSHAPEREPRESENTATION(#2,$,$,(#4,#3,#3));",
    "#1=IFCSHAPEREPRESENTATION($,$,$,(3,'x',1.,$,*,(#2,1),(1,#2),A(#2),A(1),\"0A\",.T.,()));#2=C();",
    "#1=IFCSHAPEREPRESENTATION($,$,$,(3,'x',1.,$,*,(2,1),A((1,2)),\"0A\",.T.,()));#2=IFCSHAPEREPRESENTATION($,$,$,());",
    "#1=IFCSHAPEREPRESENTATION($,$,$," + "(" * 60 + ",".join(["1"] * 40) + ")" * 60 + ");",
    "#1=IFCPROPERTYENUMERATEDVALUE('a',$,(IFCREAL(1),IFCINTEGER(1),IFCCOMPLEXNUMBER((1,2.)),IFCCOMPLEXNUMBER(((1),2.)),X(1)),$);",
    "#1=IFCCARTESIANPOINTLIST3D(((1,2,3),(1.,(2),3)));#2=IFCCARTESIANPOINTLIST3D((1,2));#3=IFCCARTESIANPOINTLIST3D(1);",
    # derived attributes, unknown entities, several partial records
    "#1=IFCSIUNIT($,.LENGTHUNIT.,$,.METRE.);#2=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);#3=IFCSIUNIT(($),$,$,$,$,1,(#1));",
    "#1=FOO(1,(2,1),IFCREAL(1),$);#2=!FOO_1(#1);#3=FOO('1hOSvn6df7F8_7GcBWlRGQ',$,1,#1);#4=FOO('1hOSvn6df7F8_7GcBWlRGR',#1,$,#3);",
    "#1=FOO('1hOSvn6df7F8_7GcBWlRG-',$,1,2);#2=FOO('1hOSvn6df7F8_7GcBWlRGQ',*,1,2);#3=FOO('1hOSvn6df7F8_7GcBWlRGQ',$,1);",
    "#1=(B(1,#2)A((2,1),IFCREAL(1)));#2=(A());#3=(A(#1)A(#2)A(#1)a(1)B()B());#4=(A(2)AB(1)A(1));#5=C(#3);",
    # describing: folded, into rooted ones, several, unsound
    "#1=IFCSTYLEDITEM(#2,(#3),$);#2=IFCCARTESIANPOINT((0.,0.));#3=A();#4=IFCSTYLEDITEM(#2,(#3),'b');#5=IFCPOINTONCURVE(#2,1.);",
    "#1=IFCSTYLEDITEM($,(#3),$);#3=A();#4=IFCSTYLEDITEM((#3),(),$);#5=IFCSTYLEDITEM(X(#3),(),$);#6=IFCSTYLEDITEM(#3,(),$);",
    "#1=IFCPRESENTATIONLAYERASSIGNMENT('a',$,(#2,#2,#3),$);#2=A();#3=B();#4=IFCPRESENTATIONLAYERASSIGNMENT('a',$,(#2,1),$);"
    "#5=IFCPRESENTATIONLAYERASSIGNMENT('a',$,(),$);#6=IFCPRESENTATIONLAYERASSIGNMENT('a',$,#2,$);",
    f"#1=IFCWALL({_A},$,$,$,$,$,$,$,$);#2=IFCEXTERNALREFERENCERELATIONSHIP('x',$,#3,(#1,#4,#1));#3=A();#4=B();"
    "#5=IFCEXTERNALREFERENCERELATIONSHIP('y',$,#3,(#2));#6=IFCEXTERNALREFERENCERELATIONSHIP('y',$,#1,(#2,#4));",
    # the cycle rule
    "#1=IFCEXTERNALREFERENCERELATIONSHIP('x',$,#2,(#2,#3));#2=A(#3);#3=B();",
    "#1=IFCEXTERNALREFERENCERELATIONSHIP('x',$,#2,(#3));#2=A(#3);#3=B();#4=IFCEXTERNALREFERENCERELATIONSHIP('z',$,$,(#1,#3));",
    "#1=IFCEXTERNALREFERENCERELATIONSHIP('x',$,$,(#2));#2=IFCEXTERNALREFERENCERELATIONSHIP('y',$,$,(#1));",
    "#1=IFCEXTERNALREFERENCERELATIONSHIP('x',$,#4,(#2));#2=IFCEXTERNALREFERENCERELATIONSHIP('y',$,$,(#3));#3=A();#4=B(#3);",
    # placements and their owners
    _PLACED + f"#3=IFCLOCALPLACEMENT(#2,#9);#4=IFCDOOR({_B},$,$,$,$,#3,$,$,$,$,$,$,$);#5=IFCLOCALPLACEMENT(#3,$);",
    _PLACED + f"#3=IFCWALL({_B},$,$,$,$,#2,$,$,$);#4=IFCLOCALPLACEMENT(#2,#9);#5=IFCLOCALPLACEMENT((#2),#9);",
    _PLACED + f"#3=IFCWALL({_A},$,$,$,$,#4,$,$,$);#4=IFCLOCALPLACEMENT(#2,#9);#6=A(#1,#3);#7=IFCLOCALPLACEMENT(#4,$);",
    f"#1=IFCWALL({_A},$,$,$,$,#2,$,$,$);#2=IFCWALL({_B},$,$,$,$,(#2),$,$,$);#3=IFCLOCALPLACEMENT(#2,$);",
    # GlobalIds that occur more than once
    f"#1=IFCWALL({_A},$,$,$,$,$,$,$,$);#2=IFCWALL({_A},#3,$,$,$,$,$,$,$);#3=A();#4=B((#1,#2),#1);#5=IFCWALL({_A},$,'a',$,$,$,$,$,$);"
    f"#6=IFCRELAGGREGATES({_B},$,$,$,#1,(#2,#5,#6));#7=IFCRELAGGREGATES({_B},$,$,$,#1,(#2,#5,#6));",
    # relationships
    f"#1=IFCWALL({_A},$,$,$,$,$,$,$,$);#2=IFCPROPERTYSET({_B},$,'a',$,(#3,#4));#3=IFCPROPERTYSINGLEVALUE('a',$,$,$);#4=A();"
    f"#5=IFCRELDEFINESBYPROPERTIES({_C},$,$,$,(#1,#1),#2);#6=IFCRELDEFINESBYPROPERTIES('x',$,$,$,(#1,#2),"
    "IFCPROPERTYSETDEFINITIONSET((#2)));#7=IFCRELDEFINESBYPROPERTIES('y',$,$,$,#1,#1,#2,(#2),9);",
    f"#1=IFCWALL({_A},$,$,$,$,$,$,$,$);#2=IFCWALLTYPE({_B},$,$,$,$,(#3),$,$,$,$);#3=IFCPROPERTYSET({_C},$,$,$,());"
    "#4=IFCRELDEFINESBYTYPE('x',$,$,$,(#1),#2);#5=IFCRELASSOCIATESMATERIAL('y',$,$,$,(#1,#2),#6);#6=IFCMATERIAL('m',$,$);"
    "#7=IFCRELASSOCIATESMATERIAL('z',$,$,$,(#1),$);#8=IFCRELASSOCIATESMATERIAL('w',$,$,$,A(#1),*);#9=IFCRELAGGREGATES('v',$,$,$);",
    f"#1=IFCWALL({_A},#1,(#1),$,A(#1),$,$,$,$,#1,(1,2));#2=IFCOWNERHISTORY($,$,$,$,$,$,$,1);#3=IFCPERSON($,$,$,$,$,$,$,$);",
    "".join(f"#{i}=IFCFLOWSEGMENT('{i:022d}',$,$,$,$,$,$,$);#{i + 100}=IFCRELAGGREGATES('{i + 100:022d}',$,$,$,#{i},"
            f"({','.join(f'#{j}' for j in range(1, 40))}));" for i in range(1, 40)),
    *(f"#1=IFCDIRECTION(({number}));" for number in _NUMBERS),
    f"#1=A(-0,+0,0007,-7,{'9' * 308});",
    *(f"#1=A({text});" for text in _STRINGS),
    b"#1=A('\xc3\xa4','\xe4','\xff\r\n\\X\\41''','a\rb\r\nc\n','\xed\xa0\x80','\xf4\x90\x80\x80','\xc0\xaf','\xe2\x82');",
    "#1=A(.T.,.u_1.,\"\",\"0af\",\"3FF\",x(1),X_1(*),!Y($));",
)  # fmt: skip

_UNSOUND = (
    *(f"#1=A({text});" for text in _UNSOUND_STRINGS),
    "#1=A(1E309);", "#1=A(-1.7976931348623159E308);", "#1=A(1" + "0" * 308 + ");", "#18446744073709551616=A();",
    "#1=A(#99999999999999999999);", "#1=A();#2=B();#01=C();#2=D();#1=E();", "#1=A(#3);#2=B((X(#4)));", "#2=(A(1)B((#7)));#1=A(#3);",
    "#1=IFCWALL($,$);", "#5=A();#2=IFCWALL('',$);#1=IFCWALL('a b',$);", "#1=IFCWALL();", "#1=IFCWALL(('a'),$);",
    f"#1=IFCWALL('{'x' * 65}',$);", "#1=IFCWALL('\\X\\e4',$);", "#1=A(#1);", "#3=A(#2);#2=B((#4));#4=C(X(#3));#1=D(#2);",
    "#1=IFCLOCALPLACEMENT(#1,$);", f"#3=IFCLOCALPLACEMENT(#2,$);#2=IFCLOCALPLACEMENT(#3,$);#1=IFCWALL({_A},$,$,$,$,#2,$,$,$);",
    "#4=A(#5);#5=A(#4);#2=IFCLOCALPLACEMENT(#3,$);#3=IFCLOCALPLACEMENT(#2,$);", "#1=IFCSTYLEDITEM(#1,(),$);",
    f"#1=IFCWALL({_A},$,$,$,$,$,#3,$,$);#2=IFCWALL({_A},$,$,$,$,$,$,$,$);#3=A(#1);",
    "#1=IFCSTYLEDITEM(#2,(#2),$);#2=A(#3);#3=A(#2);",
    "#1=A(" + "(" * 65 + ")" * 65 + ");", "#1=A(" + "X(" * 65 + "1" + ")" * 65 + ");", "#1=A(" + "(" * 10000, "#1=(A(" + "(" * 65 + "));",
    "#1=A(1,);", "#1=A(,1);", "#1=A(X());", "#1=A(X(1,2));", "#1=A(1 2);", "#1=A(X);", "#1=();", "#1=(A);", "#1=(A()B;", "#1=1;", "#1 A();",
    "# 1=A();", "#1=A()", "#=A();", "A();", "#1=A(.);", "#1=A(..);", "#1=A(.A);", "#1=A(\"G\");", "#1=A(\"0);", "#1=A('x);", "#1=A(/);",
    "#1=A(+);", "#1=A(1.5E);", "#1=A(1E+);", "#1=A(.5);", "#1=A(1..2);", "#1=A(!);", "#1=A(!1);", "#1=A(\x7f);", "ENDSEC;", "/*", "#1=A();;",
    "ENDSEC;DATA;#1=A();",
)  # fmt: skip

_HEAD, _TAIL = b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA;", b"ENDSEC;END-ISO-10303-21;"
_FILES = (
    b"", b" ", b"\xef\xbb\xbf", b"/*", b"PK\x03\x04", b"iso-10303-21;header;file_schema(('IFC4'));endsec;data;endsec;end-iso-10303-21;",
    b"\xef\xbb\xbf/* x */ " + _HEAD + _TAIL + b" /* y */\n", _HEAD + _TAIL + b"x", _HEAD + _TAIL + b"/", _HEAD + _TAIL + b"/*",
    _HEAD + b"ENDSEC;END-ISO-10303-2", _HEAD + b"ENDSEC;END-ISO-10303-22;", _HEAD + b"ENDSEC;ENDX", _HEAD + b"ENDSEC", _HEAD + b"ENDSEC END",
    _HEAD + b"ENDSEC;END-ISO-103X", _HEAD + b"ENDSEC;END", _HEAD + b"ENDSEC;DATA", b"ISO-10303-21 HEADER;", b"ISO-10303-21;DATA;",
    b"ISO-10303-21;HEADER;ENDSEC;DATA;" + _TAIL, b"ISO-10303-21;HEADER;1;", b"ISO-10303-21;HEADER;A(", b"ISO-10303-21;HEADER;A('",
    *(b"ISO-10303-21;HEADER;%b ENDSEC;DATA;%b" % (record, _TAIL) for record in (
        b"FILE_SCHEMA(());", b"FILE_SCHEMA(('A','B'));", b"FILE_SCHEMA('A');", b"FILE_SCHEMA((''));", b"FILE_SCHEMA((#1));",
        b"FILE_SCHEMA((('A')));", b"FILE_SCHEMA(('A'),1);", b"FILE_SCHEMA();", b"FILE_SCHEMA(('\xff'));", b"!FILE_SCHEMA(('A'));",
        b"FILE_SCHEMA(('A'));FILE_SCHEMA(('A'));", b"FILE_SCHEMA(('A'));FILE_SCHEMA(1);", b"FILE_SCHEMA(('\\X2\\D83D\\X0\\'));",
        b"FILE_SCHEMA(('\\S\\d\\PC\\\\S\\!'));", b"FILE_SCHEMA((' ifc4x3_tc1 { 1 0 }'));", b"FILE_SCHEMA(('ifc2x3_final'));",
        b"FILE_SCHEMA(('IFC5'));", b"A(1E999,'\\X2\\D83D\\X0\\',#99999999999999999999,IFCREAL(1),\"0\");FILE_SCHEMA(('IFC4'));",
        b"A(%b);FILE_SCHEMA(('IFC4'));" % (b"9" * 400), b"FILE_SCHEMA((1E999));", b"A(" + b"(" * 66 + b";", b"A();B;")),
    b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA('x');" + _TAIL,
    b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;ANCHOR;ENDSEC;DATA;" + _TAIL,
)  # fmt: skip

ODD_FILES: tuple[bytes, ...] = (
    *(model(data, schema) for data in _SOUND for schema in ("IFC2X3", "IFC4", "IFC4X3", "OTHER")),
    *(model(data) for data in _UNSOUND),
    *(_HEAD + data.encode() for data in _UNSOUND),
    *_FILES,
    *((whole := model(_SOUND[12]))[:length] for length in range(len(model(_SOUND[12])))),
)
"""Each beginning of one of them too."""
