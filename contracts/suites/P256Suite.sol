// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {ISuite} from "../interfaces/ISuite.sol";
import {CmsSeal} from "../libraries/CmsSeal.sol";

/**
 * @title ECDSA on P-256 with SHA-256 over the CAdES-BES template
 * @notice Uses the P-256 precompile at 0x100 where the chain has it, Solidity where it hasn't.
 * Key: x ‖ y, 64 bytes. Attributes: signing-time, 8 bytes big-endian. Signature: r ‖ s, 64 bytes, 0 < s ≤ n/2.
 */
contract P256Suite is ISuite {
    struct Point {
        bytes32 x;
        bytes32 y;
    }

    /// @notice The registry that stores keys here.
    address public immutable registry;

    /// @notice The number of keys stored; the last handle.
    uint24 public keyCount;

    mapping(uint24 handle => Point) private _keys;

    /// @param registry_ The registry that stores keys here.
    constructor(address registry_) {
        registry = registry_;
    }

    /// @inheritdoc ISuite
    function register(bytes calldata key_) external returns (uint24 handle) {
        if (msg.sender != registry) revert UnauthorizedRegistry(registry, msg.sender);
        if (key_.length != 64) revert InvalidKeyLength(64, key_.length);
        bytes32 x = bytes32(key_[:32]);
        bytes32 y = bytes32(key_[32:]);
        if (!P256.isValidPublicKey(x, y)) revert InvalidKey(key_);
        if (keyCount == type(uint24).max) revert HandlesExhausted(keyCount);
        handle = ++keyCount;
        _keys[handle] = Point({x: x, y: y});
        _prepare(handle, x, y);
        emit KeyRegistered(handle, key_);
    }

    /// @inheritdoc ISuite
    function verifySeal(
        uint24 handle,
        bytes32 certificateId,
        bytes calldata payload,
        bytes calldata attributes,
        bytes calldata signature
    ) external view returns (bool) {
        if (attributes.length != 8 || signature.length != 64) return false;
        uint64 signingTime = uint64(bytes8(attributes));
        if (signingTime > CmsSeal.LATEST_UTC_TIME) return false;
        bytes32 digest = sha256(_signedBytes(signingTime, payload, certificateId));
        return _isSigned(digest, handle, signature);
    }

    /// @inheritdoc ISuite
    function verifySignature(
        bytes calldata key_,
        bytes calldata message,
        bytes calldata signature
    ) external view returns (bool) {
        if (key_.length != 64 || signature.length != 64) return false;
        uint256 s = uint256(bytes32(signature[32:]));
        // Authorities use both s and n - s; the library takes the lower one.
        if (s > P256.N / 2 && s < P256.N) s = P256.N - s;
        return
            P256.verify(
                sha256(message),
                bytes32(signature[:32]),
                bytes32(s),
                bytes32(key_[:32]),
                bytes32(key_[32:])
            );
    }

    /**
     * @notice The key behind a handle.
     * @param handle The handle.
     * @return x ‖ y, 64 bytes.
     */
    function key(uint24 handle) external view returns (bytes memory) {
        Point memory point = _keys[handle];
        if (point.x == 0 && point.y == 0) revert UnknownHandle(handle);
        return abi.encodePacked(point.x, point.y);
    }

    /// @dev What a suite does once with a valid key, before it tells of it. Nothing here.
    function _prepare(uint24 handle, bytes32 x, bytes32 y) internal virtual {}

    /// @dev Whether 64 bytes, r ‖ s, are a key's signature of a digest; false for a handle without a key.
    function _isSigned(bytes32 digest, uint24 handle, bytes calldata signature) internal view virtual returns (bool) {
        Point storage point = _keys[handle];
        // An unknown handle has the key (0, 0), which is not on the curve.
        return P256.verify(digest, bytes32(signature[:32]), bytes32(signature[32:]), point.x, point.y);
    }

    /// @dev What is signed: the template's 165 bytes. Virtual for the sake of test vectors over other messages.
    function _signedBytes(
        uint64 signingTime,
        bytes calldata payload,
        bytes32 certificateId
    ) internal view virtual returns (bytes memory) {
        return CmsSeal.attributes(signingTime, sha256(payload), certificateId);
    }
}
