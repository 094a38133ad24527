// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/**
 * @title The EIP-712 domain of the statements, and the 66 bytes that are sealed
 * @notice Domain: name "Yunshang ArchiveLedger", version "1", this chain, this contract.
 * @dev OpenZeppelin's EIP712 needs a Cancun chain since 5.7 (mcopy); ours is compiled for Paris.
 */
abstract contract StatementDomain is IERC5267 {
    string private constant NAME = "Yunshang ArchiveLedger";
    string private constant VERSION = "1";

    uint256 private immutable _chainId = block.chainid;
    bytes32 private immutable _domainSeparator = _computeDomainSeparator();

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // 0x0f: name, version, chainId and verifyingContract are used.
        return (hex"0f", NAME, VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @dev The sealed payload of a statement: 0x1901 ‖ domain separator ‖ struct hash, 66 bytes.
    function _payload(bytes32 structHash) internal view returns (bytes memory) {
        // After a fork of the chain its id differs, and seals made for the other side must not count here.
        bytes32 separator = block.chainid == _chainId ? _domainSeparator : _computeDomainSeparator();
        return abi.encodePacked(hex"1901", separator, structHash);
    }

    /// @dev The domain separator on the present chain.
    function _computeDomainSeparator() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                    ),
                    keccak256(bytes(NAME)),
                    keccak256(bytes(VERSION)),
                    block.chainid,
                    address(this)
                )
            );
    }
}
