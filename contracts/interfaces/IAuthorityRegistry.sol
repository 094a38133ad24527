// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ISuite} from "./ISuite.sol";

/**
 * @title The authorities whose word counts, and what it says: certificates and revocation lists, read from their DER
 * @notice The admin pins roots and issuing authorities; at most one intermediate stands between a pinned one and a
 * sealing certificate. What is read here was signed by an authority that is valid now and not retired.
 */
interface IAuthorityRegistry {
    /**
     * @notice An authority: pinned by the admin, or an intermediate under one that is.
     * @param x First half of its public key.
     * @param y Second half.
     * @param issuer Id of the authority that signed it; 0: pinned by the admin.
     * @param subject keccak256 of its Name, DER.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param suiteId The suite of its key.
     * @param pathLength How many authorities may follow it in a path; 255: any number.
     * @param signsLists Whether it may sign revocation lists.
     * @param retired Whether it is retired: nothing that it signed is taken any more.
     */
    struct Authority {
        bytes32 x;
        bytes32 y;
        bytes32 issuer;
        bytes32 subject;
        uint40 notBefore;
        uint40 notAfter;
        uint8 suiteId;
        uint8 pathLength;
        bool signsLists;
        bool retired;
    }

    /**
     * @notice An organisation's sealing certificate, as read.
     * @param authorityId The authority that signed it.
     * @param issuerAndSerial keccak256 of the issuer's digest (keccak256 of its Name, DER) and the serial, 64 bytes.
     * @param serial The serial number.
     * @param key The public key in the encoding of its suite; P-256: x ‖ y, 64 bytes.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param suiteId The suite that checks seals of this certificate.
     */
    struct SealingCertificate {
        bytes32 authorityId;
        bytes32 issuerAndSerial;
        uint256 serial;
        bytes key;
        bytes18 organisation;
        uint64 notBefore;
        uint64 notAfter;
        uint8 suiteId;
    }

    /**
     * @notice What a revocation list says of one certificate.
     * @param authorityId The authority that signed it.
     * @param thisUpdate When the list was issued, unix seconds.
     * @param listed Whether the certificate is on it.
     * @param revokedAt When it was revoked, unix seconds.
     * @param reason RFC 5280 CRLReason; 0 where none is given.
     * @param invalidityTime Since when the key is not to be trusted, unix seconds; 0 where the list doesn't say.
     */
    struct ListEntry {
        bytes32 authorityId;
        uint64 thisUpdate;
        bool listed;
        uint64 revokedAt;
        uint8 reason;
        uint64 invalidityTime;
    }

    /**
     * @notice An authority counts from now on.
     * @param authorityId keccak256 of its subject's digest and its key.
     * @param issuer Id of the authority that signed it; 0: pinned by the admin.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param der Its certificate, DER.
     */
    event AuthorityAdded(
        bytes32 indexed authorityId,
        bytes32 indexed issuer,
        uint64 notBefore,
        uint64 notAfter,
        bytes der
    );

    /// @notice An authority doesn't count any more.
    /// @param authorityId Its id.
    event AuthorityRetired(bytes32 indexed authorityId);

    /// @notice Certificate or revocation list are not of the profile (formats section 10) in this respect.
    error OutsideProfile(string rule);

    /// @notice No authority of this name (keccak256 of the Name, DER) is pinned, valid now and not retired.
    error UnknownAuthority(bytes32 subject);

    /// @notice An authority of this name is known, and the signature is not its own.
    error InvalidAuthoritySignature(bytes32 subject);

    /// @notice The certificate is valid when the authority that signed it is not.
    error OutsideAuthoritysValidity(bytes32 authorityId, uint64 notBefore, uint64 notAfter);

    /// @notice The authority may not have another one under it.
    error PathTooLong(bytes32 authorityId);

    /// @notice The authority is known, and what is given is not a renewal for longer under the same issuer.
    error AuthorityAlreadyAdded(bytes32 authorityId);

    /// @notice This authority has the name already, under another issuer; one that is pinned may have a retired one's.
    error NameOfAnotherAuthority(bytes32 authorityId);

    /// @notice The authority is retired.
    error AuthorityIsRetired(bytes32 authorityId);

    /// @notice No authority has this id.
    error UnknownAuthorityId(bytes32 authorityId);

    /**
     * @notice Pins an authority: a root, or an issuing authority. Only the admin. One that is pinned already is renewed.
     * @param der Its certificate, DER; a self-signed one is checked to be.
     * @return authorityId keccak256 of its subject's digest and its key.
     */
    function addAuthority(bytes calldata der) external returns (bytes32 authorityId);

    /**
     * @notice Adds an intermediate authority under a pinned one, or renews it. Anyone: the signature decides.
     * @param der Its certificate, DER.
     * @return authorityId keccak256 of its subject's digest and its key.
     */
    function addIntermediate(bytes calldata der) external returns (bytes32 authorityId);

    /**
     * @notice Retires an authority for ever, and with it the intermediates under it: nothing that they signed is taken
     * any more, neither certificates nor revocation lists. Certificates registered before stay. Only the admin.
     * @param authorityId The authority.
     */
    function retireAuthority(bytes32 authorityId) external;

    /**
     * @notice Reads an organisation's sealing certificate and checks its authority's signature.
     * @param der The certificate, DER.
     * @return What it says.
     */
    function readCertificate(bytes calldata der) external view returns (SealingCertificate memory);

    /**
     * @notice Reads a complete revocation list and checks its authority's signature.
     * @param list The list, DER.
     * @param issuerAndSerial Which certificate to look for.
     * @return What it says of that certificate.
     */
    function readList(bytes calldata list, bytes32 issuerAndSerial) external view returns (ListEntry memory);

    /**
     * @notice The digest under which a certificate is found by issuer and serial.
     * @param issuer The issuer's Name, DER.
     * @param serial The serial number, big-endian without leading zeros, up to 32 bytes.
     * @return keccak256 of the issuer's digest and the serial, 64 bytes.
     */
    function issuerAndSerial(bytes calldata issuer, bytes calldata serial) external pure returns (bytes32);

    /// @notice An authority by its id; all zero if there is none.
    function authority(bytes32 authorityId) external view returns (Authority memory);

    /// @notice The suite that checks the authorities' signatures.
    function suite() external view returns (ISuite);
}
