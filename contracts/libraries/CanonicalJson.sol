// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";

/**
 * @title Canonical JSON (RFC 8785) of a pair of texts, as the keys of buildings and unit projects need it
 * @notice The texts are taken as UTF-8; that they are, is not checked.
 */
library CanonicalJson {
    /**
     * @notice The canonical JSON array of two texts.
     * @param first A text without control characters, not empty.
     * @param second A text without control characters, not empty.
     * @return `["first","second"]`, quotation marks and backslashes escaped.
     */
    function pair(string memory first, string memory second) internal pure returns (bytes memory) {
        return abi.encodePacked('["', _escape(first), '","', _escape(second), '"]');
    }

    /// @dev Escapes quotation marks and backslashes; no identifier has a control character, so those are refused.
    function _escape(string memory text) private pure returns (bytes memory escaped) {
        bytes memory plain = bytes(text);
        if (plain.length == 0) revert IInputErrors.MalformedText(text);
        uint256 length = plain.length;
        for (uint256 i = 0; i < plain.length; ++i) {
            if (plain[i] < 0x20) revert IInputErrors.MalformedText(text);
            if (plain[i] == '"' || plain[i] == "\\") ++length;
        }
        if (length == plain.length) return plain;
        escaped = new bytes(length);
        uint256 position = 0;
        for (uint256 i = 0; i < plain.length; ++i) {
            if (plain[i] == '"' || plain[i] == "\\") escaped[position++] = "\\";
            escaped[position++] = plain[i];
        }
    }
}
