// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {ISuite} from "./ISuite.sol";

/**
 * @title A signature suite that keeps a table of multiples for each key
 * @notice {ISuite-register} makes the table: it is computed from the key, each of its 256 points is checked by the curve's
 * equation and by lying on a line with those it is the sum of, and it is stored as code for good. Nobody hands a table in.
 */
interface ITableSuite is ISuite {
    /// @notice The table of a key was stored.
    /// @param handle The key's handle.
    /// @param account The account whose code it is: 256 points of x ‖ y, 64 bytes each.
    event TableStored(uint24 indexed handle, address account);

    /// @notice A point of the table that was stored is not the one it must be.
    error WrongPoint(uint256 index);

    /**
     * @notice Where the table of a key is; reverts with {UnknownHandle} if there is none.
     * @param handle The key's handle.
     * @return account The account whose code it is.
     */
    function table(uint24 handle) external view returns (address account);

    /**
     * @notice The check that {ISuite-register} makes, for anybody to repeat on any table.
     * @param key The public key, as for {ISuite-register}.
     * @param points 256 points of x ‖ y, 64 bytes each, such as the code of {table}.
     * @return index The first point that is not the one this key's table has there; 256: all are.
     */
    function firstWrongPoint(bytes calldata key, bytes calldata points) external pure returns (uint256 index);
}
