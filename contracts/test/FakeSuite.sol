// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ISuite} from "../interfaces/ISuite.sol";
import {CertificateWriter} from "./CertificateWriter.sol";

/**
 * @title A suite whose "signatures" anyone can make, for tests of everything around the signature
 * @notice r is keccak256 over all that is sealed, s is the handle; so a seal is still bound to key, certificate, payload
 * and attributes. An authority's "signature" is {CertificateWriter}'s.
 */
contract FakeSuite is ISuite {
    uint24 private _last;

    /// @inheritdoc ISuite
    function register(bytes calldata key) external returns (uint24 handle) {
        handle = ++_last;
        emit KeyRegistered(handle, key);
    }

    /// @inheritdoc ISuite
    function verifySignature(
        bytes calldata key,
        bytes calldata message,
        bytes calldata signature
    ) external pure returns (bool) {
        bytes32 r = CertificateWriter.signature(key, message);
        return keccak256(signature) == keccak256(abi.encodePacked(r, uint256(1)));
    }

    /// @inheritdoc ISuite
    function verifySeal(
        uint24 handle,
        bytes32 certificateId,
        bytes calldata payload,
        bytes calldata attributes,
        bytes calldata signature
    ) external pure returns (bool) {
        bytes32 r = keccak256(abi.encode(certificateId, payload, uint64(bytes8(attributes))));
        return keccak256(signature) == keccak256(abi.encodePacked(r, uint256(handle)));
    }
}
