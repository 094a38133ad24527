// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

import {IInputErrors} from "../interfaces/IInputErrors.sol";

/// @title Unified social credit codes (GB 32100-2015) and rosters of them
library OrganisationCode {
    /**
     * @notice Refuses what can't be a code: anything but eighteen characters out of 0-9 and A-Z.
     * @param organisation The code, ASCII.
     */
    function requireWellFormed(bytes18 organisation) internal pure {
        for (uint256 i = 0; i < 18; ++i) {
            bytes1 character = organisation[i];
            bool digit = character >= "0" && character <= "9";
            if (!digit && (character < "A" || character > "Z")) {
                revert IInputErrors.MalformedOrganisation(organisation);
            }
        }
    }

    /**
     * @notice The roster hash of five organisations (formats section 5).
     * @param organisations The five codes in role order.
     * @return keccak256(abi.encode(bytes32[5])), each code left-aligned.
     */
    function rosterHash(bytes18[5] memory organisations) internal pure returns (bytes32) {
        return keccak256(abi.encode(organisations));
    }
}
