// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAuthorityRegistry} from "../interfaces/IAuthorityRegistry.sol";
import {Der} from "./Der.sol";
import {OrganisationCode} from "./OrganisationCode.sol";

/**
 * @title Certificates and revocation lists of the profile (formats section 10), read strictly from their first byte on
 * @notice X.509 v3 with keys on P-256 and signatures by ecdsa-with-SHA256. Extensions outside the profile may be there
 * if they aren't critical. Whose signature it is, and whether it holds, is for the caller to check.
 * Source: RFC 5280 sections 4.1, 4.2, 5.1 to 5.3; RFC 5480 section 2; RFC 5758 section 3.2.
 */
library X509 {
    /**
     * @notice What every certificate says.
     * @param issuer keccak256 of the issuer's Name, DER.
     * @param subject keccak256 of the subject's Name, DER.
     * @param serial The serial number, positive, at most 20 octets.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param x First half of the public key.
     * @param y Second half of the public key.
     */
    struct Certificate {
        bytes32 issuer;
        bytes32 subject;
        uint256 serial;
        uint64 notBefore;
        uint64 notAfter;
        bytes32 x;
        bytes32 y;
    }

    /// @dev What the extensions say: which of those the profile names are there, and what they allow.
    struct Extensions {
        bool hasBasicConstraints;
        bool hasKeyUsage;
        bool hasPurposes;
        uint8 pathLength;
        bool signsLists;
    }

    /// @notice The path length of an authority that states none.
    uint8 internal constant NO_PATH_LIMIT = 0xff;

    uint256 private constant MAX_EXTENSIONS = 32;
    uint256 private constant MAX_SERIAL = type(uint160).max >> 1;
    bytes1 private constant VERSION = 0xa0;
    bytes1 private constant CERTIFICATE_EXTENSIONS = 0xa3;
    bytes1 private constant LIST_EXTENSIONS = 0xa0;
    uint8 private constant CERT_SIGN = 0x04;
    uint8 private constant CRL_SIGN = 0x02;

    // Object identifiers of three octets (2.5.4.x and 2.5.29.x), as bytes32.
    bytes32 private constant COUNTRY = bytes32(bytes3(0x550406));
    bytes32 private constant ORGANISATION = bytes32(bytes3(0x55040a));
    bytes32 private constant ORGANISATION_IDENTIFIER = bytes32(bytes3(0x550461));
    bytes32 private constant COMMON_NAME = bytes32(bytes3(0x550403));
    bytes32 private constant KEY_USAGE = bytes32(bytes3(0x551d0f));
    bytes32 private constant BASIC_CONSTRAINTS = bytes32(bytes3(0x551d13));
    bytes32 private constant REASON_CODE = bytes32(bytes3(0x551d15));
    bytes32 private constant INVALIDITY_DATE = bytes32(bytes3(0x551d18));
    bytes32 private constant NAME_CONSTRAINTS = bytes32(bytes3(0x551d1e));
    bytes32 private constant EXTENDED_KEY_USAGE = bytes32(bytes3(0x551d25));

    /// @dev AlgorithmIdentifier of ecdsa-with-SHA256, without parameters.
    bytes12 private constant ECDSA_SHA256 = hex"300a06082a8648ce3d040302";
    /// @dev SubjectPublicKeyInfo of an uncompressed point on P-256, up to x.
    bytes27 private constant P256_KEY = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    /// @dev id-kp-documentSigning, as an element.
    bytes10 private constant DOCUMENT_SIGNING = hex"06082b06010505070324";

    /**
     * @notice Takes a signed object apart: certificate or revocation list.
     * @param der The object, DER.
     * @return signed The part that is signed, an element.
     * @return signature r ‖ s, 64 bytes.
     */
    function open(bytes calldata der) internal pure returns (bytes calldata signed, bytes memory signature) {
        bytes calldata rest = Der.only(der, Der.SEQUENCE);
        (signed, rest) = Der.takeWhole(rest, Der.SEQUENCE);
        rest = _takeAlgorithm(rest);
        bytes calldata bits = Der.only(rest, Der.BIT_STRING);
        if (bits.length == 0 || bits[0] != 0) _refuse("signature");
        rest = Der.only(bits[1:], Der.SEQUENCE);
        uint256 r;
        uint256 s;
        (r, rest) = Der.takeUint(rest);
        (s, rest) = Der.takeUint(rest);
        Der.finish(rest);
        signature = abi.encodePacked(r, s);
    }

    /**
     * @notice Reads an organisation's sealing certificate.
     * @param signed Its signed part, from {open}.
     * @return found What it says.
     * @return organisation The organisation's code, 18 characters out of 0-9 and A-Z.
     */
    function readSealing(
        bytes calldata signed
    ) internal pure returns (Certificate memory found, bytes18 organisation) {
        bytes calldata subject;
        bytes calldata rest;
        (found, subject, rest) = _readCertificate(signed);
        organisation = _readOrganisation(subject);
        Extensions memory extensions = _readExtensions(rest, false);
        if (!extensions.hasBasicConstraints) _refuse("basic constraints");
        if (!extensions.hasKeyUsage) _refuse("key usage");
        if (!extensions.hasPurposes) _refuse("extended key usage");
    }

    /**
     * @notice Reads an authority's certificate: root or intermediate, fit to issue sealing certificates.
     * @param signed Its signed part, from {open}.
     * @return found What it says.
     * @return pathLength How many authorities may follow it in a path; {NO_PATH_LIMIT}: any number.
     * @return signsLists Whether it may sign revocation lists.
     */
    function readAuthority(
        bytes calldata signed
    ) internal pure returns (Certificate memory found, uint8 pathLength, bool signsLists) {
        bytes calldata subject;
        bytes calldata rest;
        (found, subject, rest) = _readCertificate(signed);
        if (subject.length == 0) _refuse("subject");
        Extensions memory extensions = _readExtensions(rest, true);
        if (!extensions.hasBasicConstraints) _refuse("basic constraints");
        if (!extensions.hasKeyUsage) _refuse("key usage");
        return (found, extensions.pathLength, extensions.signsLists);
    }

    /**
     * @notice Reads a complete revocation list (v2) and what it says of one certificate.
     * @dev Every entry is walked. A critical extension anywhere makes the list one that can't be judged here (delta and
     * indirect lists, and lists of some reasons or certificates alone, are marked so), so it is refused.
     * @param signed Its signed part, from {open}.
     * @param wanted Digest of the certificate's issuer and serial, as {issuerAndSerial} makes it.
     * @return issuer keccak256 of the issuer's Name, DER.
     * @return found What it says, save who signed it.
     */
    function readList(
        bytes calldata signed,
        bytes32 wanted
    ) internal pure returns (bytes32 issuer, IAuthorityRegistry.ListEntry memory found) {
        bytes calldata rest = Der.only(signed, Der.SEQUENCE);
        uint256 version;
        (version, rest) = Der.takeUint(rest);
        if (version != 1) _refuse("version");
        rest = _takeAlgorithm(rest);
        (issuer, , rest) = _takeName(rest);
        uint64 nextUpdate;
        (found.thisUpdate, rest) = Der.takeTime(rest);
        (nextUpdate, rest) = Der.takeTime(rest);
        if (nextUpdate < found.thisUpdate) _refuse("validity");
        if (Der.startsWith(rest, Der.SEQUENCE)) {
            bytes calldata entries;
            (entries, rest) = Der.take(rest, Der.SEQUENCE);
            if (entries.length == 0) _refuse("entries");
            while (entries.length != 0) entries = _takeEntry(entries, found, issuer, wanted);
        }
        if (rest.length == 0) return (issuer, found);
        bytes calldata extensions = Der.only(Der.only(rest, LIST_EXTENSIONS), Der.SEQUENCE);
        if (extensions.length == 0) _refuse("extension");
        while (extensions.length != 0) {
            bool critical;
            (, critical, , extensions) = _takeExtension(extensions);
            if (critical) _refuse("critical extension");
        }
    }

    /**
     * @notice The digest under which a certificate is found by issuer and serial.
     * @param issuer keccak256 of the issuer's Name, DER.
     * @param serial The serial number.
     * @return digest keccak256 of both, 64 bytes.
     */
    function issuerAndSerial(bytes32 issuer, uint256 serial) internal pure returns (bytes32 digest) {
        // In the scratch space: a list has thousands of entries, and memory is never given back.
        assembly ("memory-safe") {
            mstore(0x00, issuer)
            mstore(0x20, serial)
            digest := keccak256(0x00, 0x40)
        }
    }

    /// @dev What all certificates have in common; returns the subject's content and the extensions as well.
    function _readCertificate(
        bytes calldata signed
    ) private pure returns (Certificate memory found, bytes calldata subject, bytes calldata rest) {
        rest = Der.only(signed, Der.SEQUENCE);
        bytes calldata version;
        (version, rest) = Der.take(rest, VERSION);
        if (version.length != 3 || bytes3(version) != hex"020102") _refuse("version");
        (found.serial, rest) = Der.takeUint(rest);
        if (found.serial == 0 || found.serial > MAX_SERIAL) _refuse("serial");
        rest = _takeAlgorithm(rest);
        (found.issuer, , rest) = _takeName(rest);
        bytes calldata validity;
        (validity, rest) = Der.take(rest, Der.SEQUENCE);
        (found.notBefore, validity) = Der.takeTime(validity);
        (found.notAfter, validity) = Der.takeTime(validity);
        Der.finish(validity);
        if (found.notAfter < found.notBefore) _refuse("validity");
        (found.subject, subject, rest) = _takeName(rest);
        bytes calldata key;
        (key, rest) = Der.takeWhole(rest, Der.SEQUENCE);
        if (key.length != 91 || bytes27(key) != P256_KEY) _refuse("key");
        found.x = bytes32(key[27:59]);
        found.y = bytes32(key[59:]);
        rest = Der.only(Der.only(rest, CERTIFICATE_EXTENSIONS), Der.SEQUENCE);
    }

    /// @dev The code in a subject of exactly C=CN, O, organizationIdentifier and CN, where CN is O.
    function _readOrganisation(bytes calldata subject) private pure returns (bytes18 organisation) {
        bytes calldata value;
        (value, subject) = _takeAttribute(subject, COUNTRY);
        if (value.length != 2 || bytes2(value) != "CN") _refuse("subject");
        bytes calldata name;
        (name, subject) = _takeAttribute(subject, ORGANISATION);
        (value, subject) = _takeAttribute(subject, ORGANISATION_IDENTIFIER);
        if (value.length != 18) _refuse("subject");
        organisation = bytes18(value);
        OrganisationCode.requireWellFormed(organisation);
        (value, subject) = _takeAttribute(subject, COMMON_NAME);
        if (name.length == 0 || keccak256(value) != keccak256(name)) _refuse("subject");
        Der.finish(subject);
    }

    /// @dev One relative name of one attribute: its text, UTF8String or PrintableString.
    function _takeAttribute(
        bytes calldata name,
        bytes32 kind
    ) private pure returns (bytes calldata value, bytes calldata rest) {
        bytes calldata attribute;
        (attribute, rest) = Der.take(name, Der.SET);
        attribute = Der.only(attribute, Der.SEQUENCE);
        bytes calldata oid;
        (oid, attribute) = Der.take(attribute, Der.OBJECT_IDENTIFIER);
        if (_identifier(oid) != kind) _refuse("subject");
        bool printable = Der.startsWith(attribute, Der.PRINTABLE_STRING);
        value = Der.only(attribute, printable ? Der.PRINTABLE_STRING : Der.UTF8_STRING);
    }

    /// @dev All extensions of a certificate, none twice; of an authority or of an organisation.
    function _readExtensions(
        bytes calldata list,
        bool authority
    ) private pure returns (Extensions memory found) {
        bytes32[MAX_EXTENSIONS] memory seen;
        uint256 count = 0;
        while (list.length != 0) {
            bytes calldata oid;
            bool critical;
            bytes calldata value;
            (oid, critical, value, list) = _takeExtension(list);
            bytes32 kind = _identifier(oid);
            for (uint256 i = 0; i < count; ++i) {
                if (seen[i] == kind) _refuse("extension");
            }
            if (count == MAX_EXTENSIONS) _refuse("extension");
            seen[count++] = kind;
            if (kind == BASIC_CONSTRAINTS) {
                _readBasicConstraints(found, value, critical, authority);
            } else if (kind == KEY_USAGE) {
                _readKeyUsage(found, value, critical, authority);
            } else if (kind == EXTENDED_KEY_USAGE) {
                _readPurposes(found, value, authority);
            } else if (critical || (authority && kind == NAME_CONSTRAINTS)) {
                _refuse("critical extension");
            }
        }
    }

    /// @dev CA=false, or CA=true with a path length perhaps.
    function _readBasicConstraints(
        Extensions memory found,
        bytes calldata value,
        bool critical,
        bool authority
    ) private pure {
        found.hasBasicConstraints = true;
        found.pathLength = NO_PATH_LIMIT;
        bytes calldata rest = Der.only(value, Der.SEQUENCE);
        if (!authority) return Der.finish(rest);
        bytes calldata flag;
        (flag, rest) = Der.take(rest, Der.BOOLEAN);
        if (!critical || flag.length != 1 || flag[0] != 0xff) _refuse("basic constraints");
        if (rest.length == 0) return;
        uint256 length;
        (length, rest) = Der.takeUint(rest);
        Der.finish(rest);
        if (length < NO_PATH_LIMIT) found.pathLength = uint8(length);
    }

    /// @dev Critical digitalSignature and nonRepudiation alone, or keyCertSign among others.
    function _readKeyUsage(
        Extensions memory found,
        bytes calldata value,
        bool critical,
        bool authority
    ) private pure {
        found.hasKeyUsage = true;
        bytes calldata bits = Der.only(value, Der.BIT_STRING);
        if (!authority) {
            // Six unused bits, then the two.
            if (!critical || bits.length != 2 || bytes2(bits) != 0x06c0) _refuse("key usage");
            return;
        }
        // Named bits: no trailing zero bits, so the last octet has its lowest used bit set.
        if (bits.length < 2 || bits.length > 3 || uint8(bits[0]) > 7) _refuse("key usage");
        uint256 last = uint8(bits[bits.length - 1]);
        uint256 lowest = 1 << uint8(bits[0]);
        if (last & lowest == 0 || last & (lowest - 1) != 0) _refuse("key usage");
        if (uint8(bits[1]) & CERT_SIGN == 0) _refuse("key usage");
        found.signsLists = uint8(bits[1]) & CRL_SIGN != 0;
    }

    /// @dev documentSigning alone, or among others.
    function _readPurposes(Extensions memory found, bytes calldata value, bool authority) private pure {
        bytes calldata rest = Der.only(value, Der.SEQUENCE);
        bool alone = true;
        while (rest.length != 0) {
            bytes calldata purpose;
            if (found.hasPurposes) alone = false;
            (purpose, rest) = Der.takeWhole(rest, Der.OBJECT_IDENTIFIER);
            if (purpose.length == 10 && bytes10(purpose) == DOCUMENT_SIGNING) {
                found.hasPurposes = true;
            } else {
                alone = false;
            }
        }
        if (!found.hasPurposes || (!authority && !alone)) _refuse("extended key usage");
    }

    /// @dev One entry of a revocation list, noted where it is the certificate's; returns the entries after it.
    function _takeEntry(
        bytes calldata entries,
        IAuthorityRegistry.ListEntry memory found,
        bytes32 issuer,
        bytes32 wanted
    ) private pure returns (bytes calldata rest) {
        bytes calldata entry;
        (entry, rest) = Der.take(entries, Der.SEQUENCE);
        uint256 serial;
        (serial, entry) = Der.takeUint(entry);
        uint64 revokedAt;
        (revokedAt, entry) = Der.takeTime(entry);
        uint8 reason = 0;
        uint64 invalidityTime = 0;
        if (entry.length != 0) {
            entry = Der.only(entry, Der.SEQUENCE);
            if (entry.length == 0) _refuse("extension");
        }
        while (entry.length != 0) {
            bytes calldata oid;
            bool critical;
            bytes calldata value;
            (oid, critical, value, entry) = _takeExtension(entry);
            bytes32 kind = _identifier(oid);
            if (kind == REASON_CODE) {
                value = Der.only(value, Der.ENUMERATED);
                if (value.length != 1) _refuse("reason");
                reason = uint8(value[0]);
            } else if (kind == INVALIDITY_DATE) {
                invalidityTime = Der.generalizedTime(Der.only(value, Der.GENERALIZED_TIME));
            } else if (critical) {
                _refuse("critical extension");
            }
        }
        if (issuerAndSerial(issuer, serial) != wanted) return rest;
        if (found.listed) _refuse("entries");
        (found.listed, found.revokedAt) = (true, revokedAt);
        (found.reason, found.invalidityTime) = (reason, invalidityTime);
    }

    /// @dev One extension.
    function _takeExtension(
        bytes calldata list
    )
        private
        pure
        returns (bytes calldata oid, bool critical, bytes calldata value, bytes calldata rest)
    {
        bytes calldata extension;
        (extension, rest) = Der.take(list, Der.SEQUENCE);
        (oid, extension) = Der.take(extension, Der.OBJECT_IDENTIFIER);
        if (oid.length == 0) _refuse("extension");
        if (Der.startsWith(extension, Der.BOOLEAN)) {
            bytes calldata flag;
            (flag, extension) = Der.take(extension, Der.BOOLEAN);
            // False is the default and left out.
            if (flag.length != 1 || flag[0] != 0xff) _refuse("extension");
            critical = true;
        }
        value = Der.only(extension, Der.OCTET_STRING);
    }

    /// @dev A Name: its digest as an element, and its content.
    function _takeName(
        bytes calldata input
    ) private pure returns (bytes32 digest, bytes calldata content, bytes calldata rest) {
        (content, rest) = Der.take(input, Der.SEQUENCE);
        digest = keccak256(input[:input.length - rest.length]);
    }

    /// @dev The one signature algorithm.
    function _takeAlgorithm(bytes calldata input) private pure returns (bytes calldata rest) {
        bytes calldata algorithm;
        (algorithm, rest) = Der.takeWhole(input, Der.SEQUENCE);
        if (algorithm.length != 12 || bytes12(algorithm) != ECDSA_SHA256) _refuse("algorithm");
    }

    /// @dev An object identifier to compare: three octets as they are, others by their digest.
    function _identifier(bytes calldata oid) private pure returns (bytes32) {
        return oid.length == 3 ? bytes32(oid) : keccak256(oid);
    }

    /// @dev Refuses what isn't of the profile.
    function _refuse(string memory rule) private pure {
        revert IAuthorityRegistry.OutsideProfile(rule);
    }
}
