// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title A signature suite: one algorithm, one attribute template, one implementation
 * @notice Keeps the public keys of seal certificates and checks seals made with them. The suite does all the hashing
 * of its algorithm (SHA-256 or SM3, say), so callers hand in the payload, never a digest. A suite is added to the
 * {ISealRegistry} under an id and never replaced.
 */
interface ISuite {
    /// @notice A key was stored under a handle.
    /// @param handle The handle, counted from 1.
    /// @param key The key's bytes, as given.
    event KeyRegistered(uint24 indexed handle, bytes key);

    /// @notice Only the registry given at construction may store keys.
    error UnauthorizedRegistry(address registry, address caller);

    /// @notice The key's length is not the suite's.
    error InvalidKeyLength(uint256 expected, uint256 actual);

    /// @notice The key is zero, out of range or not a point on the suite's curve.
    error InvalidKey(bytes key);

    /// @notice No handle is left.
    error HandlesExhausted(uint256 handle);

    /// @notice No key is stored under this handle.
    error UnknownHandle(uint24 handle);

    /**
     * @notice Checks a public key and stores it.
     * @dev MUST revert unless called by the registry. MUST refuse a key that is not valid for the algorithm. MUST
     * never change the key behind a handle. Handles have 24 bits so that they fit into a certificate's packed slot.
     * @param key The public key; P-256: x ‖ y, 64 bytes, big-endian.
     * @return handle The handle of the key, counted from 1.
     */
    function register(bytes calldata key) external returns (uint24 handle);

    /**
     * @notice Whether a signature over a message is valid, as authorities make them over certificates and revocation
     * lists: the algorithm alone, without a template.
     * @dev MUST return false (not revert) for any signature that is not exactly of the suite's form. Unlike with seals,
     * every encoding of the signature that the algorithm allows is one.
     * @param key The public key, as for {register}.
     * @param message What was signed.
     * @param signature The signature in the suite's own encoding. P-256: r ‖ s, 64 bytes.
     * @return valid True if the signature is valid.
     */
    function verifySignature(
        bytes calldata key,
        bytes calldata message,
        bytes calldata signature
    ) external view returns (bool valid);

    /**
     * @notice Whether a seal is valid: the algorithm and the attribute template, nothing else.
     * @dev MUST rebuild the signed bytes itself from the arguments and MUST return false (not revert) for any
     * signature, attributes or times that are not exactly of the suite's form. Validity, revocation and organisation of
     * the certificate are the registry's and the ledger's business.
     * @param handle The handle of the key.
     * @param certificateId SHA-256 of the certificate's DER; part of the signed attributes.
     * @param payload The sealed payload (66 bytes for an EIP-712 statement).
     * @param attributes What is signed beside payload and certificate, in the suite's own encoding. P-256: the
     * signing-time as 8 bytes, big-endian unix seconds.
     * @param signature The signature in the suite's own encoding. P-256: r ‖ s, 64 bytes, s not above n/2.
     * @return valid True if the seal is valid.
     */
    function verifySeal(
        uint24 handle,
        bytes32 certificateId,
        bytes calldata payload,
        bytes calldata attributes,
        bytes calldata signature
    ) external view returns (bool valid);
}
