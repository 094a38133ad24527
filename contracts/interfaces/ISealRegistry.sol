// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IAuthorityRegistry} from "./IAuthorityRegistry.sol";
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
 * @notice Nobody is trusted to read a certificate: it is given as DER, and the {IAuthorityRegistry} checks the signature
 * of an authority pinned there and reads key, validity, serial and organisation out of it. One certificate has one id (SHA-256 of its
 * DER), one pair of issuer and serial, and one key; a second registration of any of the three is refused, since a flipped
 * s in the authority's signature gives a second DER of the same certificate.
 *
 * A certificate stops counting in two ways. The authority revokes it: whoever has the signed revocation list sends it,
 * and a compromise of the key reaches back to the invalidity time stated there. A registrar stops it: at once, from the
 * block on, and reaching back to nothing, because it is the word of an operator.
 */
interface ISealRegistry {
    /// @notice What a certificate is good for at a time.
    enum Standing {
        Unknown,
        NotYetValid,
        Valid,
        Expired,
        Revoked,
        Questionable
    }

    /**
     * @notice A registered certificate.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param suiteId The suite that checks its seals.
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
     * @notice How a certificate was stopped, by whom.
     * @param stoppedAt Block time at which a registrar stopped it, unix seconds; 0: none did.
     * @param stopReason The registrar's reason, RFC 5280 CRLReason.
     * @param revokedAt When the authority revoked it, by its list, unix seconds; 0: no list was shown.
     * @param reason The authority's reason, RFC 5280 CRLReason.
     * @param invalidityTime Since when the key is not to be trusted, by the list, never before notBefore; 0: not stated.
     * @param thisUpdate When the list was issued.
     */
    struct Revocation {
        uint40 stoppedAt;
        uint8 stopReason;
        uint40 revokedAt;
        uint8 reason;
        uint40 invalidityTime;
        uint40 thisUpdate;
    }

    /// @notice A suite was added.
    /// @param suiteId Its id, 1 to 127.
    /// @param suite The implementation.
    event SuiteAdded(uint8 indexed suiteId, ISuite indexed suite);

    /**
     * @notice Certificates of a suite are registered with another one of the same keys from now on, or join it.
     * @param suiteId The suite.
     * @param preferredId The one preferred to it; the suite itself: none any more.
     */
    event SuitePreferred(uint8 indexed suiteId, uint8 indexed preferredId);

    /**
     * @notice A certificate joined the suite that is preferred to its former one; its seals are checked there from now on.
     * @param certificateId SHA-256 of the DER.
     * @param suiteId The suite it joined.
     * @param handle The key's handle there. The key and handle of the former suite stay as they are.
     */
    event SuiteJoined(bytes32 indexed certificateId, uint8 indexed suiteId, uint24 handle);

    /**
     * @notice A certificate was registered; its DER holds all that a rebuild of the catalogue needs.
     * @param certificateId SHA-256 of the DER.
     * @param organisation Unified social credit code, 18 ASCII characters.
     * @param suiteId The suite of its key.
     * @param handle The key's handle within the suite.
     * @param notBefore First second of validity, unix seconds.
     * @param notAfter Last second of validity, unix seconds.
     * @param authorityId The authority whose signature was checked.
     * @param der The certificate, DER.
     */
    event CertificateRegistered(
        bytes32 indexed certificateId,
        bytes18 indexed organisation,
        uint8 indexed suiteId,
        uint24 handle,
        uint64 notBefore,
        uint64 notAfter,
        bytes32 authorityId,
        bytes der
    );

    /**
     * @notice A registrar stopped a certificate.
     * @param certificateId SHA-256 of the DER.
     * @param organisation Whose certificate it was.
     * @param reason RFC 5280 CRLReason.
     * @param stoppedAt Block time, unix seconds.
     */
    event CertificateStopped(
        bytes32 indexed certificateId,
        bytes18 indexed organisation,
        uint8 reason,
        uint64 stoppedAt
    );

    /**
     * @notice An authority revoked a certificate, as its list says.
     * @param certificateId SHA-256 of the DER.
     * @param organisation Whose certificate it was.
     * @param authorityId The authority whose signature was checked.
     * @param reason RFC 5280 CRLReason.
     * @param revokedAt When it was revoked, unix seconds.
     * @param invalidityTime Since when the key is not to be trusted, unix seconds; 0: the list doesn't say.
     * @param thisUpdate When the list was issued, unix seconds.
     */
    event CertificateRevoked(
        bytes32 indexed certificateId,
        bytes18 indexed organisation,
        bytes32 indexed authorityId,
        uint8 reason,
        uint64 revokedAt,
        uint64 invalidityTime,
        uint64 thisUpdate
    );

    /// @notice The suite id is 0 or above 127.
    error InvalidSuiteId(uint8 suiteId);

    /// @notice The suite id names an implementation already.
    error SuiteAlreadyAdded(uint8 suiteId, ISuite suite);

    /// @notice The suite has no code.
    error SuiteWithoutCode(address suite);

    /// @notice No suite has this id.
    error UnknownSuite(uint8 suiteId);

    /// @notice The suite is preferred to the other one already, over one step or several.
    error PreferredInCircle(uint8 suiteId, uint8 preferredId);

    /// @notice No suite is preferred to this one, which is the certificate's.
    error NoSuitePreferred(bytes32 certificateId, uint8 suiteId);

    /// @notice No certificate has this key.
    error UnknownKey(bytes key);

    /// @notice The certificate's bytes are registered.
    error CertificateAlreadyRegistered(bytes32 certificateId);

    /// @notice Issuer and serial are those of a registered certificate.
    error IssuerAndSerialAlreadyRegistered(bytes32 certificateId, uint256 serial);

    /// @notice The key is that of a registered certificate.
    error KeyAlreadyRegistered(bytes32 certificateId, bytes key);

    /// @notice The certificate is not on the list.
    error NotOnList(bytes32 certificateId);

    /// @notice The list was issued, or the certificate revoked, later than this block.
    error ListInFuture(uint64 time, uint64 blockTime);

    /// @notice A list issued then or later was shown already.
    error ListNotNewer(uint64 recorded, uint64 thisUpdate);

    /// @notice No certificate has this id. `index`: position of the seal in the call, the role of a submission's seal.
    error UnknownCertificate(uint256 index, bytes32 certificateId);

    /// @notice The certificate is stopped or revoked already.
    error CertificateAlreadyRevoked(bytes32 certificateId, uint64 revokedAt);

    /// @notice Not a final CRLReason: 0 to 5, 9 and 10 are.
    error InvalidRevocationReason(uint8 reason);

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
     * @notice Prefers another implementation for the keys of a suite: one that is cheaper on this chain, say. Certificates
     * are registered with it from now on; those that are registered can join it ({joinSuite}). Only the admin.
     * @dev Of one step: where suite 2 is preferred to suite 1 and suite 3 to suite 2, a certificate of suite 1 gets to 2.
     * @param suiteId A suite that was added.
     * @param preferredId A suite that was added and takes the same keys and signatures; the suite itself: prefer none.
     */
    function preferSuite(uint8 suiteId, uint8 preferredId) external;

    /**
     * @notice Has a certificate's seals checked by the suite that is preferred to its own. Anyone: the admin decided which.
     * @param key The certificate's key, as registered.
     * @return certificateId The certificate.
     * @return handle The key's handle in the suite it joined.
     */
    function joinSuite(bytes calldata key) external returns (bytes32 certificateId, uint24 handle);

    /**
     * @notice Registers a certificate. Anyone: the authority's signature decides.
     * @param der The certificate, DER.
     * @return certificateId SHA-256 of the DER.
     */
    function registerCertificate(bytes calldata der) external returns (bytes32 certificateId);

    /**
     * @notice Stops a certificate from this block on, once and for ever. Only a registrar.
     * @param certificateId The certificate.
     * @param reason RFC 5280 CRLReason: 0 to 5, 9 or 10.
     */
    function revokeCertificate(bytes32 certificateId, uint8 reason) external;

    /**
     * @notice Records that an authority revoked a certificate, for ever. Anyone: the authority's signature decides. A
     * later list may state another reason or time.
     * @param list A complete revocation list of the certificate's issuer, DER. It need not be the newest: revocations
     * for the reasons taken here are final.
     * @param certificateId The certificate.
     */
    function revokeByCrl(bytes calldata list, bytes32 certificateId) external;

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

    /// @notice The id of the suite preferred to one; that one if there is none.
    function preferredSuite(uint8 suiteId) external view returns (uint8);

    /// @notice The suite of an id, the zero address if there is none.
    function suite(uint8 suiteId) external view returns (ISuite);

    /// @notice A certificate by its id; reverts with {UnknownCertificate} (index 0) if there is none.
    function certificate(bytes32 certificateId) external view returns (Certificate memory);

    /// @notice The registry of authorities, which reads certificates and revocation lists.
    function authorities() external view returns (IAuthorityRegistry);

    /**
     * @notice What a certificate is good for at a time, by what is known now.
     * @dev Not yet valid before notBefore, expired after notAfter, whatever else holds. Revoked from the earlier of the
     * registrar's and the authority's times on. Questionable before that, where the authority revoked it for a compromise
     * (of the key, its own or an attribute authority's: 1, 2, 10) and its invalidity time had come.
     * @param certificateId The certificate.
     * @param time Unix seconds.
     */
    function standing(bytes32 certificateId, uint64 time) external view returns (Standing);

    /// @notice How a certificate was stopped; all zero if it wasn't.
    function revocation(bytes32 certificateId) external view returns (Revocation memory);

    /// @notice The id of the certificate with this issuer (DER Name) and serial (minimal big-endian), or zero.
    function certificateByIssuerAndSerial(bytes calldata issuer, bytes calldata serial) external view returns (bytes32);

    /// @notice The id of the certificate with this key (as registered), or zero.
    function certificateByKey(bytes calldata key) external view returns (bytes32);
}
