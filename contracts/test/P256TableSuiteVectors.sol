// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256Suite} from "../suites/P256Suite.sol";
import {P256TableSuite} from "../suites/P256TableSuite.sol";

/// @title The table suite with the payload itself as what is signed, so that published vectors can run through it
contract P256TableSuiteVectors is P256TableSuite {
    /// @param registry_ Who stores keys.
    constructor(address registry_) P256TableSuite(registry_) {}

    /// @inheritdoc P256Suite
    function _signedBytes(uint64, bytes calldata payload, bytes32) internal pure override returns (bytes memory) {
        return payload;
    }
}
