// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/// @title The cheat codes of the test runner that are used here
interface Vm {
    /// @notice Sets the block time.
    function warp(uint256 time) external;

    /// @notice Sets the chain id.
    function chainId(uint256 id) external;

    /// @notice Sets the sender of the next call.
    function prank(address sender) external;

    /// @notice The public key of a private key on P-256, by the runner's own arithmetic.
    function publicKeyP256(uint256 privateKey) external pure returns (uint256 x, uint256 y);

    /// @notice A signature on P-256, by the runner's own arithmetic.
    function signP256(uint256 privateKey, bytes32 digest) external pure returns (bytes32 r, bytes32 s);

    /// @notice Expects the next call to revert with exactly this data.
    function expectRevert(bytes calldata data) external;
}

/// @title What every test contract has
abstract contract TestBase {
    /// @notice The functions of a contract that an invariant run may call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Fails the test unless the condition holds.
    function assertTrue(bool condition, string memory what) internal pure {
        require(condition, what);
    }
}
