// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.30;

/**
 * @title Tables of multiples for a registered key, and the sums u1·G + u2·Q that signatures are checked with
 * @notice For a curve y² = x³ - 3x + b over a field of 256 bits, with a group of prime order: P-256, and SM2's curve alike.
 *
 * The eight bases are 2^(64j)·G (bits 0 to 3) and 2^(64j)·Q (bits 4 to 7), j = 0 … 3. Point i of the table is the sum of
 * the bases whose bits are set in i; with both scalars cut into four limbs of 64 bits, one bit of each of the eight limbs
 * makes an index, so u1·G + u2·Q takes 64 doublings and at most 64 additions (a comb by Lim and Lee, CRYPTO '94, over two
 * points as Strauss and Shamir had it).
 *
 * A table is 256 points of x ‖ y, 64 bytes each, big-endian, as the code of an account of its own. Point 0, infinity, is
 * zero: so the code begins with STOP, and whoever calls it, nothing happens.
 *
 * Formulas are named as in the Explicit-Formulas Database (hyperelliptic.org/EFD, g1p/auto-shortw-jacobian-3). The assembly
 * touches memory allocated for it, or uses what lies behind the free memory pointer at once; so it is memory-safe.
 */
library CurveTables {
    /**
     * @notice A curve; the generator must be on it and n·G be infinity.
     * @param p The field's size, a prime above 2^255.
     * @param n The group's order, a prime, 2^255 < n < p.
     * @param b The constant of y² = x³ - 3x + b.
     * @param gx The generator's x.
     * @param gy The generator's y.
     */
    struct Curve {
        uint256 p;
        uint256 n;
        uint256 b;
        uint256 gx;
        uint256 gy;
    }

    /// @notice Two of the key's sums are one point, or cancel out, or one is twice another: so the private key follows
    /// from public numbers. `index`: the table's point that shows it.
    error DegenerateKey(uint256 index);

    /// @notice A number that has to have an inverse has none; no valid curve gets here.
    error NoInverse(uint256 value);

    /// @notice The account with the table could not be created.
    error TableNotStored();

    /// @notice The number of points in a table.
    uint256 internal constant POINTS = 256;

    /// @notice The bytes of a table.
    uint256 internal constant SIZE = 64 * POINTS;

    /// @dev What returns the {SIZE} bytes that follow it as an account's code: PUSH2 SIZE, DUP1, PUSH1 12, PUSH1 0,
    /// CODECOPY, PUSH1 0, RETURN.
    bytes12 private constant CREATION = 0x61400080600c6000396000f3;

    /// @dev The lowest bit of each of a scalar's four limbs: bits 0, 64, 128 and 192. (Assembly wants literals.)
    uint256 private constant LIMBS = 0x0000000000000001000000000000000100000000000000010000000000000001;

    /// @dev 2^192 + 2^129 + 2^66 + 2^3: multiplied with bits at 0, 64, 128 and 192 this brings them to 192, 193, 194 and
    /// 195. All other products of a bit with a bit lie at other places below 192, or from 256 on; so nothing is carried,
    /// and the same holds for a second set of bits 4 places up.
    uint256 private constant GATHER = 0x0000000000000001000000000000000200000000000000040000000000000008;

    /**
     * @notice Computes the table of a key.
     * @dev Reverts with {DegenerateKey} if an addition on the way is not one of two points and a third with three
     * different x; the private key of such a key is a quotient of two numbers anybody can try.
     * @param curve The curve.
     * @param x The key's x.
     * @param y The key's y; the key must be on the curve.
     * @return table The points, {SIZE} bytes.
     */
    function build(Curve memory curve, uint256 x, uint256 y) internal view returns (bytes memory table) {
        table = new bytes(SIZE);
        _setBases(curve.p, table, 1, curve.gx, curve.gy);
        _setBases(curve.p, table, 16, x, y);
        for (uint256 base = 2; base < POINTS; base <<= 1) _addBase(curve.p, table, base);
    }

    /**
     * @notice Looks for a point that is not the one the table must have there, without the arithmetic of {build}.
     * @dev Point 0 is zero, points 1 and 16 are generator and key; each other base is 2^64 times the one before it, by 64
     * doublings. Any other point S = P + B, with B the base of the index's highest bit and P the point without that bit,
     * is on the curve, and P, B and -S are on one line, and their x differ. A line through two points with different x
     * meets the curve in a third one and nowhere else; that is -S.
     * @param curve The curve.
     * @param x The key's x.
     * @param y The key's y; the key must be on the curve.
     * @param table The points, {SIZE} bytes.
     * @return index The first wrong point; {POINTS} if there is none.
     */
    function firstWrong(
        Curve memory curve,
        uint256 x,
        uint256 y,
        bytes memory table
    ) internal pure returns (uint256 index) {
        if (table.length != SIZE) return 0;
        uint256 base = 1;
        for (; index < POINTS; ++index) {
            if (index == base << 1) base = index;
            (uint256 sx, uint256 sy) = _point(table, index);
            if (index == 0) {
                if (sx != 0 || sy != 0) return index;
            } else if (index == 1) {
                if (sx != curve.gx || sy != curve.gy) return index;
            } else if (index == 16) {
                if (sx != x || sy != y) return index;
            } else if (index == base) {
                if (!_isMultiple(curve.p, table, base, sx, sy)) return index;
            } else if (!_isOnCurve(curve, sx, sy) || !_isSum(curve.p, table, index, base)) {
                return index;
            }
        }
    }

    /**
     * @notice Stores a table as the code of a new account.
     * @param table The points, {SIZE} bytes.
     * @return account The account.
     */
    function store(bytes memory table) internal returns (address account) {
        bytes memory creation = abi.encodePacked(CREATION, table);
        assembly ("memory-safe") {
            account := create(0, add(creation, 0x20), mload(creation))
        }
        if (account == address(0)) revert TableNotStored();
    }

    /**
     * @notice Whether u1·G + u2·Q is a point whose x is v modulo n.
     * @param p The field's size.
     * @param n The group's order.
     * @param account The account with the table of Q.
     * @param u1 G's scalar, any 256 bits.
     * @param u2 Q's scalar, any 256 bits.
     * @param v A number below n.
     */
    function hasX(
        uint256 p,
        uint256 n,
        address account,
        uint256 u1,
        uint256 u2,
        uint256 v
    ) internal view returns (bool) {
        (uint256 x, uint256 z) = multiply(p, account, u1, u2);
        if (z == 0) return false;
        // x is x/z² in Jacobian coordinates, and below p < 2n: it is v or v + n, without an inversion.
        uint256 zz = mulmod(z, z, p);
        if (mulmod(v, zz, p) == x) return true;
        return v < p - n && mulmod(v + n, zz, p) == x;
    }

    /**
     * @notice u1·G + u2·Q in Jacobian coordinates, without y.
     * @dev Complete: whatever the scalars, equal, opposite and infinite points on the way are handled.
     * @param p The field's size.
     * @param account The account with the table of Q.
     * @param u1 G's scalar, any 256 bits.
     * @param u2 Q's scalar, any 256 bits.
     * @return x X, below p.
     * @return z Z, below p; 0: the sum is infinity.
     */
    function multiply(
        uint256 p,
        address account,
        uint256 u1,
        uint256 u2
    ) internal view returns (uint256 x, uint256 z) {
        assembly ("memory-safe") {
            let points := mload(0x40) // behind what is allocated, and used up within this block
            extcodecopy(account, points, 0, 0x4000)
            // The scalars go to scratch space, for want of room on the stack.
            mstore(0, u1)
            mstore(0x20, u2)
            let y := 0
            for { let bit := 64 } bit {} {
                bit := sub(bit, 1)
                // The double: {_double}, written out for its price.
                {
                    let t := addmod(y, y, p)
                    let m := mulmod(z, z, p)
                    z := mulmod(t, z, p)
                    t := mulmod(t, y, p)
                    m := mulmod(3, mulmod(addmod(x, sub(p, m), p), addmod(x, m, p), p), p)
                    y := mulmod(addmod(x, x, p), t, p) // S
                    x := addmod(mulmod(m, m, p), sub(p, addmod(y, y, p)), p)
                    y := addmod(mulmod(m, addmod(y, sub(p, x), p), p), sub(p, mulmod(t, addmod(t, t, p), p)), p)
                }
                // This bit of each limb: those of u1 at 0, 64, …, those of u2 four places up; gathered to 192 … 199;
                // then down again, but times 64, which is the point's place in the table.
                let point := or(and(shr(bit, mload(0)), LIMBS), shl(4, and(shr(bit, mload(0x20)), LIMBS)))
                point := and(shr(186, mul(point, GATHER)), 0x3fc0)
                if point {
                    point := add(points, point)
                    // The sum with that affine point: madd, which is add with Z2 = 1, in 11 multiplications.
                    let v := mulmod(z, z, p)
                    let r := addmod(mulmod(mload(add(point, 0x20)), mulmod(z, v, p), p), sub(p, y), p) // Y2·Z1³ - Y1
                    let h := addmod(mulmod(mload(point), v, p), sub(p, x), p) // X2·Z1² - X1
                    v := mulmod(z, h, p) // Z3
                    switch v
                    case 0 {
                        // What madd leaves out: infinity, equal points, opposite points.
                        switch or(iszero(z), iszero(r))
                        case 0 {
                            z := 0
                        }
                        default {
                            x := mload(point)
                            y := mload(add(point, 0x20))
                            if z {
                                // Equal: have it doubled by coming here again, with this bit of each limb cleared.
                                mstore(0, and(mload(0), not(shl(bit, LIMBS))))
                                mstore(0x20, and(mload(0x20), not(shl(bit, LIMBS))))
                                bit := add(bit, 1)
                            }
                            z := 1
                        }
                    }
                    default {
                        z := v
                        v := mulmod(h, h, p)
                        h := mulmod(h, v, p) // H³
                        v := mulmod(x, v, p) // V = X1·H²
                        x := addmod(mulmod(r, r, p), sub(p, addmod(h, addmod(v, v, p), p)), p)
                        y := addmod(mulmod(r, addmod(v, sub(p, x), p), p), sub(p, mulmod(y, h, p)), p)
                    }
                }
            }
        }
    }

    /**
     * @notice The inverse of a number modulo a prime, by the precompile at 5 (EIP-198).
     * @param value Not a multiple of the prime.
     * @param prime The prime.
     */
    function inverse(uint256 value, uint256 prime) internal view returns (uint256 result) {
        bool done;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore(input, 0x20)
            mstore(add(input, 0x20), 0x20)
            mstore(add(input, 0x40), 0x20)
            mstore(add(input, 0x60), value)
            mstore(add(input, 0x80), sub(prime, 2)) // Fermat
            mstore(add(input, 0xa0), prime)
            done := staticcall(gas(), 5, input, 0xc0, 0, 0x20)
            result := mload(0)
        }
        if (!done || result == 0) revert NoInverse(value);
    }

    /// @dev The double of a Jacobian point; infinity (z = 0) stays infinity. dbl-2001-b, with Z3 = 2·Y·Z and
    /// 8·Y⁴ = 2·(2·Y²)² for its squares of sums: 9 multiplications.
    function _double(
        uint256 p,
        uint256 x1,
        uint256 y1,
        uint256 z1
    ) private pure returns (uint256 x3, uint256 y3, uint256 z3) {
        assembly ("memory-safe") {
            let t := addmod(y1, y1, p)
            z3 := mulmod(t, z1, p)
            t := mulmod(t, y1, p) // 2·Y²
            let s := mulmod(addmod(x1, x1, p), t, p) // 4·X·Y²
            let m := mulmod(z1, z1, p)
            // 3·(X - Z²)·(X + Z²), which is 3·X² + a·Z⁴ for a = -3
            m := mulmod(3, mulmod(addmod(x1, sub(p, m), p), addmod(x1, m, p), p), p)
            x3 := addmod(mulmod(m, m, p), sub(p, addmod(s, s, p)), p)
            y3 := addmod(mulmod(m, addmod(s, sub(p, x3), p), p), sub(p, mulmod(t, addmod(t, t, p), p)), p)
        }
    }

    /// @dev Writes a point and its multiples by 2^64, 2^128 and 2^192 at an index and at two, four and eight times it.
    function _setBases(uint256 p, bytes memory table, uint256 index, uint256 x, uint256 y) private view {
        _setPoint(table, index, x, y);
        for (uint256 j = 1; j < 4; ++j) {
            uint256 z = 1;
            for (uint256 i = 0; i < 64; ++i) (x, y, z) = _double(p, x, y, z);
            z = inverse(z, p);
            uint256 zz = mulmod(z, z, p);
            (x, y) = (mulmod(x, zz, p), mulmod(y, mulmod(z, zz, p), p));
            _setPoint(table, index << j, x, y);
        }
    }

    /// @dev Writes the sums of a base and all points before it behind it, with one inversion (Montgomery's trick).
    function _addBase(uint256 p, bytes memory table, uint256 base) private view {
        (uint256 bx, uint256 by) = _point(table, base);
        uint256[] memory products = new uint256[](base); // of the x differences up to a point
        uint256 product = 1;
        for (uint256 i = 1; i < base; ++i) {
            (uint256 px, ) = _point(table, i);
            if (px == bx) revert DegenerateKey(base | i);
            products[i] = product;
            product = mulmod(product, addmod(bx, p - px, p), p);
        }
        uint256 inverted = inverse(product, p);
        for (uint256 i = base - 1; i != 0; --i) {
            (uint256 px, uint256 py) = _point(table, i);
            uint256 slope = mulmod(addmod(by, p - py, p), mulmod(inverted, products[i], p), p);
            inverted = mulmod(inverted, addmod(bx, p - px, p), p);
            uint256 sx = addmod(addmod(mulmod(slope, slope, p), p - px, p), p - bx, p);
            if (sx == px || sx == bx) revert DegenerateKey(base | i);
            uint256 sy = addmod(mulmod(slope, addmod(px, p - sx, p), p), p - py, p);
            _setPoint(table, base | i, sx, sy);
        }
    }

    /// @dev Whether a point is 2^64 times the base before.
    function _isMultiple(
        uint256 p,
        bytes memory table,
        uint256 base,
        uint256 sx,
        uint256 sy
    ) private pure returns (bool) {
        (uint256 x, uint256 y) = _point(table, base >> 1);
        uint256 z = 1;
        for (uint256 i = 0; i < 64; ++i) (x, y, z) = _double(p, x, y, z);
        uint256 zz = mulmod(z, z, p);
        return
            z != 0 && sx < p && sy < p && mulmod(sx, zz, p) == x && mulmod(sy, mulmod(z, zz, p), p) == y;
    }

    /// @dev Whether numbers are the coordinates of a point.
    function _isOnCurve(Curve memory curve, uint256 x, uint256 y) private pure returns (bool) {
        uint256 p = curve.p;
        if (x >= p || y >= p) return false;
        uint256 right = mulmod(addmod(mulmod(x, x, p), p - 3, p), x, p);
        return mulmod(y, y, p) == addmod(right, curve.b, p);
    }

    /// @dev Whether a point S of the curve is P + B: P, B and -S on one line, with three different x.
    function _isSum(uint256 p, bytes memory table, uint256 index, uint256 base) private pure returns (bool) {
        (uint256 sx, uint256 sy) = _point(table, index);
        (uint256 bx, uint256 by) = _point(table, base);
        (uint256 px, uint256 py) = _point(table, index ^ base);
        if (px == bx || sx == px || sx == bx) return false;
        // (yB - yP)·(xS - xP) = (-yS - yP)·(xB - xP)
        return
            mulmod(addmod(by, p - py, p), addmod(sx, p - px, p), p) ==
            mulmod(addmod(p - sy, p - py, p), addmod(bx, p - px, p), p);
    }

    /// @dev Reads a point.
    function _point(bytes memory table, uint256 index) private pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            let place := add(add(table, 0x20), shl(6, index))
            x := mload(place)
            y := mload(add(place, 0x20))
        }
    }

    /// @dev Writes a point.
    function _setPoint(bytes memory table, uint256 index, uint256 x, uint256 y) private pure {
        assembly ("memory-safe") {
            let place := add(add(table, 0x20), shl(6, index))
            mstore(place, x)
            mstore(add(place, 0x20), y)
        }
    }
}
