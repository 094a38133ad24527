// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {CmsSeal} from "../libraries/CmsSeal.sol";

/**
 * @title Writes certificates and revocation lists of the profile, with the "signatures" of {FakeSuite}
 * @notice Times are from 2000 to 2049.
 */
library CertificateWriter {
    bytes private constant ALGORITHM = hex"300a06082a8648ce3d040302";
    bytes private constant KEY = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    bytes private constant SEALING =
        hex"300c0603551d130101ff04023000"
        hex"300e0603551d0f0101ff0404030206c0"
        hex"30130603551d25040c300a06082b06010505070324";
    bytes private constant AUTHORITY = hex"300f0603551d130101ff040530030101ff" hex"300e0603551d0f0101ff040403020106";

    /// @notice The "key" of a number, 64 bytes.
    function key(uint256 number) internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encode("x", number)), keccak256(abi.encode("y", number)));
    }

    /// @notice A Name with a common name alone.
    function name(string memory text) internal pure returns (bytes memory) {
        return element(0x30, _attribute(hex"550403", bytes(text)));
    }

    /// @notice A self-signed authority's certificate.
    function authority(
        string memory text,
        bytes memory itsKey,
        uint64 notBefore,
        uint64 notAfter
    ) internal pure returns (bytes memory) {
        bytes memory own = name(text);
        return sign(_body(own, 1, own, itsKey, notBefore, notAfter, AUTHORITY), itsKey);
    }

    /// @notice An organisation's sealing certificate.
    function sealing(
        bytes memory issuer,
        bytes memory issuerKey,
        uint160 serial,
        bytes18 organisation,
        bytes memory itsKey,
        uint64 notBefore,
        uint64 notAfter
    ) internal pure returns (bytes memory) {
        bytes memory subject = element(
            0x30,
            abi.encodePacked(
                _attribute(hex"550406", "CN"),
                _attribute(hex"55040a", "name"),
                _attribute(hex"550461", abi.encodePacked(organisation)),
                _attribute(hex"550403", "name")
            )
        );
        return sign(_body(issuer, serial, subject, itsKey, notBefore, notAfter, SEALING), issuerKey);
    }

    /// @notice An entry of a revocation list; without invalidity date if that is 0.
    function entry(
        uint160 serial,
        uint64 revokedAt,
        uint8 reason,
        uint64 invalidityTime
    ) internal pure returns (bytes memory) {
        bytes memory extensions = element(
            0x30,
            abi.encodePacked(hex"0603551d15", element(0x04, abi.encodePacked(hex"0a01", reason)))
        );
        if (invalidityTime != 0) {
            bytes memory date = element(0x18, abi.encodePacked("20", CmsSeal.utcTime(invalidityTime)));
            extensions = abi.encodePacked(
                extensions,
                element(0x30, abi.encodePacked(hex"0603551d18", element(0x04, date)))
            );
        }
        return
            element(0x30, abi.encodePacked(integer(serial), _time(revokedAt), element(0x30, extensions)));
    }

    /// @notice A revocation list.
    function list(
        bytes memory issuer,
        bytes memory issuerKey,
        uint64 thisUpdate,
        bytes memory entries
    ) internal pure returns (bytes memory) {
        bytes memory times = abi.encodePacked(_time(thisUpdate), _time(thisUpdate + 1 days));
        bytes memory revoked = entries.length == 0 ? entries : element(0x30, entries);
        return sign(element(0x30, abi.encodePacked(hex"020101", ALGORITHM, issuer, times, revoked)), issuerKey);
    }

    /// @notice The signed object around a body.
    function sign(bytes memory body, bytes memory issuerKey) internal pure returns (bytes memory) {
        bytes memory pair = element(0x30, abi.encodePacked(integer(uint256(signature(issuerKey, body))), hex"020101"));
        return element(0x30, abi.encodePacked(body, ALGORITHM, element(0x03, abi.encodePacked(hex"00", pair))));
    }

    /// @notice The first half of a "signature"; the second is 1.
    function signature(bytes memory issuerKey, bytes memory message) internal pure returns (bytes32) {
        return keccak256(abi.encode(issuerKey, keccak256(message)));
    }

    /// @notice An element with a definite length in the fewest octets.
    function element(uint8 tag, bytes memory content) internal pure returns (bytes memory) {
        uint256 length = content.length;
        if (length < 0x80) return abi.encodePacked(tag, uint8(length), content);
        if (length < 0x100) return abi.encodePacked(tag, hex"81", uint8(length), content);
        return abi.encodePacked(tag, hex"82", uint16(length), content);
    }

    /// @notice A non-negative INTEGER in the fewest octets.
    function integer(uint256 value) internal pure returns (bytes memory) {
        uint256 octets = 1;
        while (octets < 32 && value >> (8 * octets) != 0) ++octets;
        bytes memory content = new bytes(octets);
        for (uint256 i = 0; i < octets; ++i) content[i] = bytes1(uint8(value >> (8 * (octets - 1 - i))));
        return element(0x02, uint8(content[0]) > 0x7f ? abi.encodePacked(hex"00", content) : content);
    }

    /// @dev What is signed of a certificate.
    function _body(
        bytes memory issuer,
        uint160 serial,
        bytes memory subject,
        bytes memory itsKey,
        uint64 notBefore,
        uint64 notAfter,
        bytes memory extensions
    ) private pure returns (bytes memory) {
        bytes memory validity = element(0x30, abi.encodePacked(_time(notBefore), _time(notAfter)));
        bytes memory head = abi.encodePacked(hex"a003020102", integer(serial), ALGORITHM, issuer, validity, subject);
        return element(0x30, abi.encodePacked(head, KEY, itsKey, element(0xa3, element(0x30, extensions))));
    }

    /// @dev One relative name.
    function _attribute(bytes3 oid, bytes memory text) private pure returns (bytes memory) {
        return element(0x31, element(0x30, abi.encodePacked(hex"0603", oid, element(0x0c, text))));
    }

    /// @dev A UTCTime.
    function _time(uint64 time) private pure returns (bytes memory) {
        return abi.encodePacked(hex"170d", CmsSeal.utcTime(time));
    }
}
