// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256Suite} from "../suites/P256Suite.sol";

/// @title The P-256 suite with the payload itself as what is signed, so that published vectors can run through it
contract P256SuiteVectors is P256Suite {
    /// @param registry_ Who stores keys.
    constructor(address registry_) P256Suite(registry_) {}

    /// @inheritdoc P256Suite
    function _signedBytes(uint64, bytes calldata payload, bytes32) internal pure override returns (bytes memory) {
        return payload;
    }
}
