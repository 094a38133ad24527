// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {ISealRegistry, Seal} from "./interfaces/ISealRegistry.sol";
import {ISuite} from "./interfaces/ISuite.sol";
import {OrganisationCode} from "./libraries/OrganisationCode.sol";

/// @title The seal certificates and what became of them
contract SealRegistry is ISealRegistry, AccessControl {
    /// @dev A certificate in one slot; with the key's two in the suite it takes three. Handle 0: not registered.
    struct PackedCertificate {
        bytes18 organisation;
        uint40 notBefore;
        uint40 notAfter;
        uint8 suiteIdAndRevoked; // REVOKED | suite id
        uint24 handle;
    }

    /// @notice May register and revoke certificates.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    /// @notice How far a claimed signing time may lie after the block, for clocks that are ahead.
    uint64 public constant CLOCK_TOLERANCE_SECONDS = 300;

    /// @dev The bit beside the suite id that marks a revoked certificate.
    uint8 private constant REVOKED = 0x80;

    mapping(bytes32 certificateId => PackedCertificate) private _certificates;
    mapping(bytes32 certificateId => Revocation) private _revocations;
    mapping(bytes32 issuerAndSerialHash => bytes32 certificateId) private _byIssuerAndSerial;
    mapping(bytes32 keyHash => bytes32 certificateId) private _byKey;
    mapping(uint8 suiteId => ISuite) private _suites;

    /// @param admin Adds suites and names registrars.
    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc ISealRegistry
    function addSuite(uint8 suiteId, ISuite suite_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (suiteId == 0 || suiteId >= REVOKED) revert InvalidSuiteId(suiteId);
        if (address(_suites[suiteId]) != address(0)) revert SuiteAlreadyAdded(suiteId, _suites[suiteId]);
        if (address(suite_).code.length == 0) revert SuiteWithoutCode(address(suite_));
        _suites[suiteId] = suite_;
        emit SuiteAdded(suiteId, suite_);
    }

    /// @inheritdoc ISealRegistry
    function registerCertificate(
        CertificateInput calldata input
    ) external onlyRole(REGISTRAR_ROLE) returns (bytes32 certificateId) {
        _requireWellFormed(input);
        certificateId = sha256(input.der);
        if (_certificates[certificateId].handle != 0) revert CertificateAlreadyRegistered(certificateId);
        // One certificate has as many DERs as its CA's signature has encodings (s and n - s), so the bytes alone
        // don't tell whether it is here already.
        bytes32 nameHash = _issuerAndSerialHash(input.issuer, input.serial);
        bytes32 known = _byIssuerAndSerial[nameHash];
        if (known != 0) revert IssuerAndSerialAlreadyRegistered(known, input.issuer, input.serial);
        bytes32 keyHash = keccak256(input.key);
        known = _byKey[keyHash];
        if (known != 0) revert KeyAlreadyRegistered(known, input.key);

        _byIssuerAndSerial[nameHash] = certificateId;
        _byKey[keyHash] = certificateId;
        uint24 handle = _suiteOf(input.suiteId).register(input.key);
        _certificates[certificateId] = PackedCertificate({
            organisation: input.organisation,
            notBefore: uint40(input.notBefore),
            notAfter: uint40(input.notAfter),
            suiteIdAndRevoked: input.suiteId,
            handle: handle
        });
        _emitRegistered(certificateId, handle, input);
    }

    /// @inheritdoc ISealRegistry
    function revokeCertificate(
        bytes32 certificateId,
        uint8 reason,
        uint64 invalidityTime
    ) external onlyRole(REGISTRAR_ROLE) {
        PackedCertificate storage stored = _certificates[certificateId];
        if (stored.handle == 0) revert UnknownCertificate(0, certificateId);
        if (stored.suiteIdAndRevoked & REVOKED != 0) {
            revert CertificateAlreadyRevoked(certificateId, _revocations[certificateId].revokedAt);
        }
        // Revocation is final: no certificateHold (6), removeFromCRL (8), nor the unused 7.
        if (reason > 10 || (reason > 5 && reason < 9)) revert InvalidRevocationReason(reason);
        if (invalidityTime < stored.notBefore || invalidityTime > block.timestamp) {
            revert InvalidityTimeOutOfRange(invalidityTime, stored.notBefore, uint64(block.timestamp));
        }
        stored.suiteIdAndRevoked |= REVOKED;
        _revocations[certificateId] = Revocation({
            revokedAt: uint40(block.timestamp),
            invalidityTime: uint40(invalidityTime),
            reason: reason
        });
        emit CertificateRevoked(certificateId, stored.organisation, reason, invalidityTime, uint64(block.timestamp));
    }

    /// @inheritdoc ISealRegistry
    function checkSeals(
        bytes calldata payload,
        Seal[] calldata seals
    ) external view returns (bytes18[] memory organisations) {
        organisations = new bytes18[](seals.length);
        for (uint256 i = 0; i < seals.length; ++i) {
            organisations[i] = _checkSeal(i, payload, seals[i]);
        }
    }

    /// @inheritdoc ISealRegistry
    function suite(uint8 suiteId) external view returns (ISuite) {
        return _suites[suiteId];
    }

    /// @inheritdoc ISealRegistry
    function certificate(bytes32 certificateId) external view returns (Certificate memory) {
        PackedCertificate memory stored = _certificates[certificateId];
        if (stored.handle == 0) revert UnknownCertificate(0, certificateId);
        return
            Certificate({
                organisation: stored.organisation,
                notBefore: stored.notBefore,
                notAfter: stored.notAfter,
                suiteId: stored.suiteIdAndRevoked & ~REVOKED,
                handle: stored.handle,
                revoked: stored.suiteIdAndRevoked & REVOKED != 0
            });
    }

    /// @inheritdoc ISealRegistry
    function revocation(bytes32 certificateId) external view returns (Revocation memory) {
        return _revocations[certificateId];
    }

    /// @inheritdoc ISealRegistry
    function certificateByIssuerAndSerial(
        bytes calldata issuer,
        bytes calldata serial
    ) external view returns (bytes32) {
        return _byIssuerAndSerial[_issuerAndSerialHash(issuer, serial)];
    }

    /// @inheritdoc ISealRegistry
    function certificateByKey(bytes calldata key) external view returns (bytes32) {
        return _byKey[keccak256(key)];
    }

    /// @dev All rules for one seal but whose it ought to be; returns the organisation whose it is.
    function _checkSeal(
        uint256 index,
        bytes calldata payload,
        Seal calldata seal
    ) private view returns (bytes18 organisation) {
        PackedCertificate memory stored = _certificates[seal.certificateId];
        if (stored.handle == 0) revert UnknownCertificate(index, seal.certificateId);
        if (stored.suiteIdAndRevoked & REVOKED != 0) revert CertificateIsRevoked(index, seal.certificateId);
        if (block.timestamp > stored.notAfter || seal.signingTime > stored.notAfter) {
            revert CertificateExpired(index, seal.certificateId, stored.notAfter, uint64(block.timestamp));
        }
        uint256 latest = block.timestamp + CLOCK_TOLERANCE_SECONDS;
        if (seal.signingTime < stored.notBefore || seal.signingTime > latest) {
            revert SigningTimeOutOfRange(index, seal.signingTime, stored.notBefore, uint64(latest));
        }
        bool valid = _suites[stored.suiteIdAndRevoked].verifySeal(
            stored.handle,
            seal.certificateId,
            payload,
            abi.encodePacked(seal.signingTime),
            abi.encodePacked(seal.r, seal.s)
        );
        if (!valid) revert InvalidSeal(index, seal.certificateId);
        return stored.organisation;
    }

    /// @dev The form of what a registrar read out of a certificate.
    function _requireWellFormed(CertificateInput calldata input) private pure {
        if (input.der.length == 0 || input.issuer.length == 0) {
            revert EmptyCertificate(input.der.length, input.issuer.length);
        }
        if (input.serial.length == 0 || input.serial.length > 20 || input.serial[0] == 0) {
            revert MalformedSerial(input.serial);
        }
        if (input.notAfter < input.notBefore || input.notAfter > type(uint40).max) {
            revert InvalidValidity(input.notBefore, input.notAfter);
        }
        OrganisationCode.requireWellFormed(input.organisation);
    }

    /// @dev The suite of an id, which must exist.
    function _suiteOf(uint8 suiteId) private view returns (ISuite suite_) {
        suite_ = _suites[suiteId];
        if (address(suite_) == address(0)) revert UnknownSuite(suiteId);
    }

    /// @dev The key under which issuer and serial are found; abi.encode keeps them apart.
    function _issuerAndSerialHash(bytes calldata issuer, bytes calldata serial) private pure returns (bytes32) {
        return keccak256(abi.encode(issuer, serial));
    }

    /// @dev Apart from its caller, whose stack is full.
    function _emitRegistered(bytes32 certificateId, uint24 handle, CertificateInput calldata input) private {
        emit CertificateRegistered(
            certificateId,
            input.organisation,
            input.suiteId,
            handle,
            input.notBefore,
            input.notAfter,
            input.issuer,
            input.serial,
            input.key,
            input.der
        );
    }
}
