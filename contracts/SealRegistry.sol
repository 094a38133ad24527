// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IAuthorityRegistry} from "./interfaces/IAuthorityRegistry.sol";
import {ISealRegistry, Seal} from "./interfaces/ISealRegistry.sol";
import {ISuite} from "./interfaces/ISuite.sol";

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

    /// @notice May stop certificates.
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    /// @notice How far a claimed signing time may lie after the block, for clocks that are ahead.
    uint64 public constant CLOCK_TOLERANCE_SECONDS = 300;

    /// @dev The bit beside the suite id that marks a revoked certificate.
    uint8 private constant REVOKED = 0x80;

    /// @inheritdoc ISealRegistry
    IAuthorityRegistry public immutable authorities;

    mapping(bytes32 certificateId => PackedCertificate) private _certificates;
    mapping(bytes32 certificateId => Revocation) private _revocations;
    mapping(bytes32 issuerAndSerial => bytes32 certificateId) private _byIssuerAndSerial;
    mapping(bytes32 certificateId => bytes32 issuerAndSerial) private _issuerAndSerial;
    mapping(bytes32 keyHash => bytes32 certificateId) private _byKey;
    mapping(uint8 suiteId => ISuite) private _suites;
    /// @dev Zero: none.
    mapping(uint8 suiteId => uint8 preferredId) private _preferred;

    /**
     * @param admin Adds suites and names registrars.
     * @param authorities_ The registry of authorities.
     */
    constructor(address admin, IAuthorityRegistry authorities_) {
        authorities = authorities_;
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
    function preferSuite(uint8 suiteId, uint8 preferredId) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _suiteOf(suiteId);
        _suiteOf(preferredId);
        if (preferredId == suiteId) {
            delete _preferred[suiteId];
        } else {
            // In a circle anybody could have a certificate join for ever.
            for (uint8 id = preferredId; id != 0; id = _preferred[id]) {
                if (id == suiteId) revert PreferredInCircle(suiteId, preferredId);
            }
            _preferred[suiteId] = preferredId;
        }
        emit SuitePreferred(suiteId, preferredId);
    }

    /// @inheritdoc ISealRegistry
    function joinSuite(bytes calldata key) external returns (bytes32 certificateId, uint24 handle) {
        certificateId = _byKey[keccak256(key)];
        if (certificateId == 0) revert UnknownKey(key);
        PackedCertificate storage stored = _certificates[certificateId];
        uint8 revoked = stored.suiteIdAndRevoked & REVOKED;
        uint8 suiteId = stored.suiteIdAndRevoked & ~REVOKED;
        uint8 preferredId = _preferred[suiteId];
        if (preferredId == 0) revert NoSuitePreferred(certificateId, suiteId);
        handle = _suites[preferredId].register(key);
        (stored.suiteIdAndRevoked, stored.handle) = (revoked | preferredId, handle);
        emit SuiteJoined(certificateId, preferredId, handle);
    }

    /// @inheritdoc ISealRegistry
    function registerCertificate(bytes calldata der) external returns (bytes32 certificateId) {
        certificateId = sha256(der);
        if (_certificates[certificateId].handle != 0) revert CertificateAlreadyRegistered(certificateId);
        IAuthorityRegistry.SealingCertificate memory found = authorities.readCertificate(der);
        found.suiteId = preferredSuite(found.suiteId);
        uint24 handle = _claim(certificateId, found);
        _certificates[certificateId] = PackedCertificate({
            organisation: found.organisation,
            notBefore: uint40(found.notBefore),
            notAfter: uint40(found.notAfter),
            suiteIdAndRevoked: found.suiteId,
            handle: handle
        });
        emit CertificateRegistered(
            certificateId,
            found.organisation,
            found.suiteId,
            handle,
            found.notBefore,
            found.notAfter,
            found.authorityId,
            der
        );
    }

    /// @inheritdoc ISealRegistry
    function revokeCertificate(bytes32 certificateId, uint8 reason) external onlyRole(REGISTRAR_ROLE) {
        PackedCertificate storage stored = _certificates[certificateId];
        if (stored.handle == 0) revert UnknownCertificate(0, certificateId);
        Revocation storage recorded = _revocations[certificateId];
        if (stored.suiteIdAndRevoked & REVOKED != 0) {
            bool stopped = recorded.stoppedAt != 0;
            revert CertificateAlreadyRevoked(certificateId, stopped ? recorded.stoppedAt : recorded.revokedAt);
        }
        _requireFinal(reason);
        stored.suiteIdAndRevoked |= REVOKED;
        (recorded.stoppedAt, recorded.stopReason) = (uint40(block.timestamp), reason);
        emit CertificateStopped(certificateId, stored.organisation, reason, uint64(block.timestamp));
    }

    /// @inheritdoc ISealRegistry
    function revokeByCrl(bytes calldata list, bytes32 certificateId) external {
        PackedCertificate storage stored = _certificates[certificateId];
        if (stored.handle == 0) revert UnknownCertificate(0, certificateId);
        IAuthorityRegistry.ListEntry memory found = authorities.readList(list, _issuerAndSerial[certificateId]);
        if (!found.listed) revert NotOnList(certificateId);
        _requireFinal(found.reason);
        uint64 latest = found.thisUpdate > found.revokedAt ? found.thisUpdate : found.revokedAt;
        if (latest > block.timestamp + CLOCK_TOLERANCE_SECONDS || found.revokedAt > block.timestamp) {
            revert ListInFuture(latest, uint64(block.timestamp));
        }
        Revocation storage recorded = _revocations[certificateId];
        if (found.thisUpdate <= recorded.thisUpdate) revert ListNotNewer(recorded.thisUpdate, found.thisUpdate);

        stored.suiteIdAndRevoked |= REVOKED;
        recorded.revokedAt = uint40(found.revokedAt == 0 ? 1 : found.revokedAt);
        recorded.reason = found.reason;
        bool tooEarly = found.invalidityTime != 0 && found.invalidityTime < stored.notBefore;
        recorded.invalidityTime = tooEarly ? stored.notBefore : uint40(found.invalidityTime);
        recorded.thisUpdate = uint40(found.thisUpdate);
        emit CertificateRevoked(
            certificateId,
            stored.organisation,
            found.authorityId,
            found.reason,
            found.revokedAt,
            found.invalidityTime,
            found.thisUpdate
        );
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
    function preferredSuite(uint8 suiteId) public view returns (uint8 preferredId) {
        preferredId = _preferred[suiteId];
        if (preferredId == 0) preferredId = suiteId;
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
    function standing(bytes32 certificateId, uint64 time) external view returns (Standing) {
        PackedCertificate storage stored = _certificates[certificateId];
        if (stored.handle == 0) return Standing.Unknown;
        if (time < stored.notBefore) return Standing.NotYetValid;
        if (time > stored.notAfter) return Standing.Expired;
        Revocation memory recorded = _revocations[certificateId];
        if (recorded.stoppedAt != 0 && time >= recorded.stoppedAt) return Standing.Revoked;
        if (recorded.revokedAt == 0) return Standing.Valid;
        if (time >= recorded.revokedAt) return Standing.Revoked;
        bool compromised = recorded.reason == 1 || recorded.reason == 2 || recorded.reason == 10;
        bool reachesBack = compromised && recorded.invalidityTime != 0 && time >= recorded.invalidityTime;
        return reachesBack ? Standing.Questionable : Standing.Valid;
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
        return _byIssuerAndSerial[authorities.issuerAndSerial(issuer, serial)];
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
        uint64 signingTime = seal.signingTime;
        PackedCertificate memory stored = _certificates[seal.certificateId];
        if (stored.handle == 0) revert UnknownCertificate(index, seal.certificateId);
        if (stored.suiteIdAndRevoked & REVOKED != 0) revert CertificateIsRevoked(index, seal.certificateId);
        if (block.timestamp > stored.notAfter || signingTime > stored.notAfter) {
            revert CertificateExpired(index, seal.certificateId, stored.notAfter, uint64(block.timestamp));
        }
        uint256 latest;
        unchecked {
            latest = block.timestamp + CLOCK_TOLERANCE_SECONDS;
        }
        if (signingTime < stored.notBefore || signingTime > latest) {
            revert SigningTimeOutOfRange(index, signingTime, stored.notBefore, uint64(latest));
        }
        bool valid = _suites[stored.suiteIdAndRevoked].verifySeal(
            stored.handle,
            seal.certificateId,
            payload,
            abi.encodePacked(signingTime),
            abi.encodePacked(seal.r, seal.s)
        );
        if (!valid) revert InvalidSeal(index, seal.certificateId);
        return stored.organisation;
    }

    /// @dev Makes sure that no other certificate has issuer and serial, or the key, and stores the key.
    function _claim(
        bytes32 certificateId,
        IAuthorityRegistry.SealingCertificate memory found
    ) private returns (uint24 handle) {
        bytes32 known = _byIssuerAndSerial[found.issuerAndSerial];
        if (known != 0) revert IssuerAndSerialAlreadyRegistered(known, found.serial);
        bytes32 keyHash = keccak256(found.key);
        known = _byKey[keyHash];
        if (known != 0) revert KeyAlreadyRegistered(known, found.key);
        _byIssuerAndSerial[found.issuerAndSerial] = certificateId;
        _issuerAndSerial[certificateId] = found.issuerAndSerial;
        _byKey[keyHash] = certificateId;
        return _suiteOf(found.suiteId).register(found.key);
    }

    /// @dev Revocation is final: no certificateHold (6), removeFromCRL (8), nor the unused 7.
    function _requireFinal(uint8 reason) private pure {
        if (reason > 10 || (reason > 5 && reason < 9)) revert InvalidRevocationReason(reason);
    }

    /// @dev The suite of an id, which must exist.
    function _suiteOf(uint8 suiteId) private view returns (ISuite suite_) {
        suite_ = _suites[suiteId];
        if (address(suite_) == address(0)) revert UnknownSuite(suiteId);
    }
}
