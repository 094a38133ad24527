"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DEFAULT_HOME",
    "ApiOption",
    "CertificateOption",
    "HomeOption",
    "JsonOption",
    "KeyOption",
    "PassphraseFileOption",
    "PinFileOption",
    "Pkcs11Option",
    "TokenOption",
    "TrustOption",
]

DEFAULT_HOME = Path("var/home")
"""The home that commands use without `--home`."""

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="YUNSHANG_HOME", help="档案馆目录 The archive's home directory.", show_default=True),
]
ApiOption = Annotated[
    str | None,
    typer.Option(
        "--api",
        envvar="YUNSHANG_API",
        help="接口地址，默认为该目录上运行的服务 Address of the API; default: the server that runs on the home.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="标准输出只给一个 JSON 文档 One JSON document on standard output.")
]
TrustOption = Annotated[
    Path | None,
    typer.Option("--trust", help="自己的信任文件，默认 HOME/trust.json Your own trust file; default HOME/trust.json."),
]
KeyOption = Annotated[Path | None, typer.Option("--key", help="印章密钥文件 PKCS#12 key file of the seal.")]
Pkcs11Option = Annotated[
    Path | None,
    typer.Option("--pkcs11", help="令牌厂商的 PKCS#11 模块，代替 --key The token maker's module, instead of --key."),
]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", help="令牌标签，或 serial:序列号 Label of the token, or serial:NUMBER."),
]
PinFileOption = Annotated[
    Path | None,
    typer.Option(
        "--pin-file",
        envvar="YUNSHANG_PIN_FILE",
        help="首行为令牌 PIN 的文件，否则询问 File whose first line is the PIN; otherwise it is asked for.",
    ),
]
CertificateOption = Annotated[
    str | None,
    typer.Option("--certificate", help="令牌中有多张证书时指定其编号 Which certificate, where a token has several."),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="口令文件，也可用环境变量 YUNSHANG_PASSPHRASE，否则询问 File with the passphrase; or the environment"
        " variable YUNSHANG_PASSPHRASE; otherwise it is asked for.",
    ),
]
