// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IAuthorityRegistry} from "./interfaces/IAuthorityRegistry.sol";
import {ISuite} from "./interfaces/ISuite.sol";
import {X509} from "./libraries/X509.sol";

/// @title The authorities whose word counts, and what it says: certificates and revocation lists, read from their DER
contract AuthorityRegistry is IAuthorityRegistry, AccessControl {
    /// @dev The suite of keys on P-256, the only ones that certificates of the profile have.
    uint8 private constant P256_SUITE_ID = 1;

    /// @inheritdoc IAuthorityRegistry
    ISuite public immutable suite;

    mapping(bytes32 authorityId => Authority) private _authorities;
    mapping(bytes32 subject => bytes32[] authorityIds) private _authoritiesNamed;

    /**
     * @param admin Pins and retires authorities.
     * @param suite_ The suite of keys on P-256.
     */
    constructor(address admin, ISuite suite_) {
        suite = suite_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    /// @inheritdoc IAuthorityRegistry
    function addAuthority(bytes calldata der) external onlyRole(DEFAULT_ADMIN_ROLE) returns (bytes32 authorityId) {
        (bytes calldata signed, bytes memory signature) = X509.open(der);
        (X509.Certificate memory found, uint8 pathLength, bool signsLists) = X509.readAuthority(signed);
        if (found.issuer == found.subject && !_isSignedBy(abi.encodePacked(found.x, found.y), signed, signature)) {
            revert InvalidAuthoritySignature(found.issuer);
        }
        return _addAuthority(found, 0, pathLength, signsLists, der);
    }

    /// @inheritdoc IAuthorityRegistry
    function addIntermediate(bytes calldata der) external returns (bytes32 authorityId) {
        (bytes calldata signed, bytes memory signature) = X509.open(der);
        (X509.Certificate memory found, uint8 pathLength, bool signsLists) = X509.readAuthority(signed);
        bytes32 issuer = _signerOf(found.issuer, signed, signature);
        // One intermediate is the longest path there is.
        if (_authorities[issuer].issuer != 0 || _authorities[issuer].pathLength == 0) revert PathTooLong(issuer);
        _requireWithin(issuer, found);
        return _addAuthority(found, issuer, pathLength, signsLists, der);
    }

    /// @inheritdoc IAuthorityRegistry
    function retireAuthority(bytes32 authorityId) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Authority storage stored = _authorities[authorityId];
        if (stored.suiteId == 0) revert UnknownAuthorityId(authorityId);
        if (stored.retired) revert AuthorityIsRetired(authorityId);
        stored.retired = true;
        emit AuthorityRetired(authorityId);
    }

    /// @inheritdoc IAuthorityRegistry
    function readCertificate(bytes calldata der) external view returns (SealingCertificate memory) {
        (bytes calldata signed, bytes memory signature) = X509.open(der);
        (X509.Certificate memory found, bytes18 organisation) = X509.readSealing(signed);
        bytes32 authorityId = _signerOf(found.issuer, signed, signature);
        _requireWithin(authorityId, found);
        return
            SealingCertificate({
                authorityId: authorityId,
                issuerAndSerial: X509.issuerAndSerial(found.issuer, found.serial),
                serial: found.serial,
                key: abi.encodePacked(found.x, found.y),
                organisation: organisation,
                notBefore: found.notBefore,
                notAfter: found.notAfter,
                suiteId: P256_SUITE_ID
            });
    }

    /// @inheritdoc IAuthorityRegistry
    function readList(bytes calldata list, bytes32 wanted) external view returns (ListEntry memory entry) {
        (bytes calldata signed, bytes memory signature) = X509.open(list);
        bytes32 issuer;
        (issuer, entry) = X509.readList(signed, wanted);
        entry.authorityId = _signerOf(issuer, signed, signature);
        if (!_authorities[entry.authorityId].signsLists) revert OutsideProfile("key usage");
    }

    /// @inheritdoc IAuthorityRegistry
    function issuerAndSerial(bytes calldata issuer, bytes calldata serial) external pure returns (bytes32) {
        if (serial.length == 0 || serial.length > 32 || serial[0] == 0) revert OutsideProfile("serial");
        uint256 number = uint256(bytes32(serial)) >> (8 * (32 - serial.length));
        return X509.issuerAndSerial(keccak256(issuer), number);
    }

    /// @inheritdoc IAuthorityRegistry
    function authority(bytes32 authorityId) external view returns (Authority memory) {
        return _authorities[authorityId];
    }

    /// @dev Records an authority, or the renewal of one.
    function _addAuthority(
        X509.Certificate memory found,
        bytes32 issuer,
        uint8 pathLength,
        bool signsLists,
        bytes calldata der
    ) private returns (bytes32 authorityId) {
        // Not by the certificate's bytes: a flipped s in its signature must not bring a retired authority back.
        authorityId = keccak256(abi.encode(found.subject, found.x, found.y));
        Authority storage stored = _authorities[authorityId];
        if (stored.retired) revert AuthorityIsRetired(authorityId);
        if (stored.suiteId == 0) {
            _requireOwnName(found.subject, issuer);
            _authoritiesNamed[found.subject].push(authorityId);
        } else if (stored.issuer != issuer || found.notAfter <= stored.notAfter) {
            revert AuthorityAlreadyAdded(authorityId);
        }
        _authorities[authorityId] = Authority({
            x: found.x,
            y: found.y,
            issuer: issuer,
            subject: found.subject,
            notBefore: uint40(found.notBefore),
            notAfter: uint40(found.notAfter),
            suiteId: P256_SUITE_ID,
            pathLength: pathLength,
            signsLists: signsLists,
            retired: false
        });
        emit AuthorityAdded(authorityId, issuer, found.notBefore, found.notAfter, der);
    }

    /// @dev Lists are of a name's: whoever could take a name would revoke what others of that name issued, years after
    /// they were retired as well. Only the admin, by pinning, gives away the name of somebody retired.
    function _requireOwnName(bytes32 subject, bytes32 issuer) private view {
        bytes32[] storage namesakes = _authoritiesNamed[subject];
        for (uint256 i = 0; i < namesakes.length; ++i) {
            Authority storage namesake = _authorities[namesakes[i]];
            if (namesake.issuer == issuer || (issuer == 0 && namesake.retired)) continue;
            revert NameOfAnotherAuthority(namesakes[i]);
        }
    }

    /// @dev The authority of a name that signed these bytes; one that counts now.
    function _signerOf(
        bytes32 subject,
        bytes calldata signed,
        bytes memory signature
    ) private view returns (bytes32 authorityId) {
        bytes32[] storage candidates = _authoritiesNamed[subject];
        bool found = false;
        for (uint256 i = 0; i < candidates.length; ++i) {
            authorityId = candidates[i];
            Authority storage candidate = _authorities[authorityId];
            if (!_counts(candidate)) continue;
            if (_isSignedBy(abi.encodePacked(candidate.x, candidate.y), signed, signature)) return authorityId;
            found = true;
        }
        if (found) revert InvalidAuthoritySignature(subject);
        revert UnknownAuthority(subject);
    }

    /// @dev Whether an authority is valid now, and neither it nor the one above it is retired.
    function _counts(Authority storage candidate) private view returns (bool) {
        if (candidate.retired || block.timestamp < candidate.notBefore || block.timestamp > candidate.notAfter) {
            return false;
        }
        return candidate.issuer == 0 || !_authorities[candidate.issuer].retired;
    }

    /// @dev Whether a signature is by this key.
    function _isSignedBy(bytes memory key, bytes calldata signed, bytes memory signature) private view returns (bool) {
        return suite.verifySignature(key, signed, signature);
    }

    /// @dev A certificate is valid only while its authority is.
    function _requireWithin(bytes32 authorityId, X509.Certificate memory found) private view {
        Authority storage stored = _authorities[authorityId];
        if (found.notBefore < stored.notBefore || found.notAfter > stored.notAfter) {
            revert OutsideAuthoritysValidity(authorityId, stored.notBefore, stored.notAfter);
        }
    }
}
