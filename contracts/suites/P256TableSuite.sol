// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import {ITableSuite} from "../interfaces/ITableSuite.sol";
import {CurveTables} from "../libraries/CurveTables.sol";
import {P256Suite} from "./P256Suite.sol";

/**
 * @title ECDSA on P-256 with SHA-256 over the CAdES-BES template, for chains without the precompile at 0x100
 * @notice Answers as {P256Suite} does, for a quarter of what Solidity takes there: at its registration a key gets a table
 * of multiples, computed and checked on chain and stored as code. Keys, attributes and signatures are those of {P256Suite}.
 */
contract P256TableSuite is ITableSuite, P256Suite {
    /// @dev The field's size. Not a constant: the optimizer would put one together anew, for 12 gas instead of 3, at each
    /// of some 1,500 places of its use in a check.
    uint256 private immutable _p = P256.P;

    mapping(uint24 handle => address account) private _tables;

    /// @param registry_ The registry that stores keys here.
    constructor(address registry_) P256Suite(registry_) {}

    /// @inheritdoc ITableSuite
    function table(uint24 handle) external view returns (address account) {
        account = _tables[handle];
        if (account == address(0)) revert UnknownHandle(handle);
    }

    /// @inheritdoc ITableSuite
    function firstWrongPoint(bytes calldata key_, bytes calldata points) external pure returns (uint256 index) {
        if (key_.length != 64) revert InvalidKeyLength(64, key_.length);
        (bytes32 x, bytes32 y) = (bytes32(key_[:32]), bytes32(key_[32:]));
        if (!P256.isValidPublicKey(x, y)) revert InvalidKey(key_);
        return CurveTables.firstWrong(_curve(), uint256(x), uint256(y), points);
    }

    /// @inheritdoc P256Suite
    function _prepare(uint24 handle, bytes32 x, bytes32 y) internal override {
        CurveTables.Curve memory curve = _curve();
        address account = CurveTables.store(CurveTables.build(curve, uint256(x), uint256(y)));
        // Read back: what counts is what is stored.
        uint256 index = CurveTables.firstWrong(curve, uint256(x), uint256(y), account.code);
        if (index != CurveTables.POINTS) revert WrongPoint(index);
        _tables[handle] = account;
        emit TableStored(handle, account);
    }

    /// @inheritdoc P256Suite
    function _isSigned(
        bytes32 digest,
        uint24 handle,
        bytes calldata signature
    ) internal view override returns (bool) {
        (uint256 r, uint256 s) = (uint256(bytes32(signature[:32])), uint256(bytes32(signature[32:])));
        if (r == 0 || r >= P256.N || s == 0 || s > P256.N / 2) return false;
        address account = _tables[handle];
        if (account == address(0)) return false;
        uint256 w = CurveTables.inverse(s, P256.N);
        uint256 u1 = mulmod(uint256(digest), w, P256.N);
        uint256 u2 = mulmod(r, w, P256.N);
        return CurveTables.hasX(_p, P256.N, account, u1, u2, r);
    }

    /// @dev The curve's parameters.
    function _curve() private pure returns (CurveTables.Curve memory) {
        return CurveTables.Curve({p: P256.P, n: P256.N, b: P256.B, gx: P256.GX, gy: P256.GY});
    }
}
