// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ISuite} from "./ISuite.sol";

/**
 * @notice An e-seal: with the payload and the certificate it rebuilds the same CAdES-BES bytes everywhere.
 * @param certificateId SHA-256 of the certificate's DER.
 * @param signingTime Claimed signing time, unix seconds.
 * @param r First half of the signature, 32 bytes big-endian.
 * @param s Second half of the signature, not above n/2.
 */
struct Seal {
    bytes32 certificateId;
    uint64 signingTime;
    bytes32 r;
    bytes32 s;
}

/**
 * @title The seal certificates and what became of them
 * @notice One certificate has one id (SHA-256 of its DER), one pair of issuer and serial, and one key; a second
 * registration of any of the three is refused, since a flipped s in the CA's signature gives a second DER of the same
 * certificate. That the other arguments agree with the DER is the registrar's promise: the DER is emitted, so that
 * anyone can compare.
 */
interface ISealRegistry {
    /**
     * @notice What a registrar reads out of a certificate.
     * @param der The certificate, DER.
     * @param issuer The issuer's Name, DER.
     * @param serial The serial number, big-endian without leading zeros, 1 to 20 bytes.
     * @param key The public key in the encoding of its suite; P-256: x ‖ y, 64 bytes.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param suiteId The suite that checks seals of this certificate.
     */
    struct CertificateInput {
        bytes der;
        bytes issuer;
        bytes serial;
        bytes key;
        bytes18 organisation;
        uint64 notBefore;
        uint64 notAfter;
        uint8 suiteId;
    }

    /**
     * @notice A registered certificate.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param suiteId The suite of its key.
     * @param handle The key's handle within the suite.
     * @param revoked Whether it is revoked.
     */
    struct Certificate {
        bytes18 organisation;
        uint40 notBefore;
        uint40 notAfter;
        uint8 suiteId;
        uint24 handle;
        bool revoked;
    }

    /**
     * @notice A revocation.
     * @param revokedAt Block time of the revocation, unix seconds; 0: not revoked.
     * @param invalidityTime Since when the key is not to be trusted, unix seconds.
     * @param reason RFC 5280 CRLReason.
     */
    struct Revocation {
        uint40 revokedAt;
        uint40 invalidityTime;
        uint8 reason;
    }

    /// @notice A suite was added.
    /// @param suiteId Its id, 1 to 127.
    /// @param suite The implementation.
    event SuiteAdded(uint8 indexed suiteId, ISuite indexed suite);

    /**
     * @notice A certificate was registered; holds all that a rebuild of the catalogue needs.
     * @param certificateId SHA-256 of the DER.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param suiteId The suite of its key.
     * @param handle The key's handle within the suite.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param issuer The issuer's Name, DER.
     * @param serial The serial number, minimal big-endian.
     * @param key The public key in the encoding of its suite.
     * @param der The certificate, DER.
     */
    event CertificateRegistered(
        bytes32 indexed certificateId,
        bytes18 indexed organisation,
        uint8 indexed suiteId,
        uint24 handle,
        uint64 notBefore,
        uint64 notAfter,
        bytes issuer,
        bytes serial,
        bytes key,
        bytes der
    );

    /**
     * @notice A certificate was revoked.
     * @param certificateId SHA-256 of the DER.
     * @param organisation Whose certificate it was.
     * @param reason RFC 5280 CRLReason.
     * @param invalidityTime Since when the key is not to be trusted, unix seconds.
     * @param revokedAt Block time, unix seconds.
     */
    event CertificateRevoked(
        bytes32 indexed certificateId,
        bytes18 indexed organisation,
        uint8 reason,
        uint64 invalidityTime,
        uint64 revokedAt
    );

    /// @notice The suite id is 0 or above 127.
    error InvalidSuiteId(uint8 suiteId);

    /// @notice The suite id names an implementation already.
    error SuiteAlreadyAdded(uint8 suiteId, ISuite suite);

    /// @notice The suite has no code.
    error SuiteWithoutCode(address suite);

    /// @notice No suite has this id.
    error UnknownSuite(uint8 suiteId);

    /// @notice The certificate's bytes are registered.
    error CertificateAlreadyRegistered(bytes32 certificateId);

    /// @notice Issuer and serial are those of a registered certificate.
    error IssuerAndSerialAlreadyRegistered(bytes32 certificateId, bytes issuer, bytes serial);

    /// @notice The key is that of a registered certificate.
    error KeyAlreadyRegistered(bytes32 certificateId, bytes key);

    /// @notice The serial is empty, longer than 20 bytes or starts with a zero byte.
    error MalformedSerial(bytes serial);

    /// @notice DER or issuer are empty.
    error EmptyCertificate(uint256 derLength, uint256 issuerLength);

    /// @notice notAfter lies before notBefore or does not fit into 40 bits.
    error InvalidValidity(uint64 notBefore, uint64 notAfter);

    /// @notice No certificate has this id. `index`: position of the seal in the call, the role of a submission's seal.
    error UnknownCertificate(uint256 index, bytes32 certificateId);

    /// @notice The certificate is revoked already.
    error CertificateAlreadyRevoked(bytes32 certificateId, uint64 revokedAt);

    /// @notice Not a final CRLReason: 0 to 5, 9 and 10 are.
    error InvalidRevocationReason(uint8 reason);

    /// @notice The invalidity time lies before notBefore or after the block.
    error InvalidityTimeOutOfRange(uint64 invalidityTime, uint64 notBefore, uint64 blockTime);

    /// @notice The certificate had expired at the block time or at the claimed signing time.
    error CertificateExpired(uint256 index, bytes32 certificateId, uint64 notAfter, uint64 blockTime);

    /// @notice The certificate is revoked.
    error CertificateIsRevoked(uint256 index, bytes32 certificateId);

    /// @notice The claimed signing time lies before notBefore or more than 300 seconds after the block.
    error SigningTimeOutOfRange(uint256 index, uint64 signingTime, uint64 notBefore, uint64 latest);

    /// @notice The signature is not one by this certificate over this payload and signing time.
    error InvalidSeal(uint256 index, bytes32 certificateId);

    /**
     * @notice Adds a suite under an unused id; it can never be replaced. Only the admin.
     * @param suiteId 1 to 127.
     * @param suite The implementation.
     */
    function addSuite(uint8 suiteId, ISuite suite) external;

    /**
     * @notice Registers a certificate. Only a registrar.
     * @param input The certificate and what was read out of it.
     * @return certificateId SHA-256 of the DER, computed here.
     */
    function registerCertificate(CertificateInput calldata input) external returns (bytes32 certificateId);

    /**
     * @notice Revokes a certificate, once and for ever. Only a registrar.
     * @param certificateId The certificate.
     * @param reason RFC 5280 CRLReason: 0 to 5, 9 or 10.
     * @param invalidityTime Since when the key is not to be trusted: from notBefore to now, unix seconds.
     */
    function revokeCertificate(bytes32 certificateId, uint8 reason, uint64 invalidityTime) external;

    /**
     * @notice Checks seals over one payload at the block's time; reverts naming the first that does not count.
     * @dev A seal counts if its certificate is registered, neither expired nor revoked, notBefore ≤ signingTime ≤
     * block time + 300 s, and its suite finds the signature valid. Whose seal it ought to be is for the caller to check.
     * @param payload The sealed payload.
     * @param seals The seals.
     * @return organisations The organisation of each seal's certificate, in the order of the seals.
     */
    function checkSeals(
        bytes calldata payload,
        Seal[] calldata seals
    ) external view returns (bytes18[] memory organisations);

    /// @notice The suite of an id, the zero address if there is none.
    function suite(uint8 suiteId) external view returns (ISuite);

    /// @notice A certificate by its id; reverts with {UnknownCertificate} (index 0) if there is none.
    function certificate(bytes32 certificateId) external view returns (Certificate memory);

    /// @notice A certificate's revocation; all zero if it is not revoked.
    function revocation(bytes32 certificateId) external view returns (Revocation memory);

    /// @notice The id of the certificate with this issuer (DER Name) and serial (minimal big-endian), or zero.
    function certificateByIssuerAndSerial(bytes calldata issuer, bytes calldata serial) external view returns (bytes32);

    /// @notice The id of the certificate with this key (as registered), or zero.
    function certificateByKey(bytes calldata key) external view returns (bytes32);
}
