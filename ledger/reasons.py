"""Reason codes of the verifier: outcome, Chinese and English text. Codes are stable; texts may be reworded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REASONS"]

_P, _F, _I = "PASSED", "FAILED", "INDETERMINATE"

REASONS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "not_reached": (_I, "未能检查：前面的步骤未通过。", "Not checked: an earlier step did not pass."),
        # (0) inputs
        "no_trust_file": (
            _I,
            "无法判定：没有可用的信任文件（--trust）。",
            "Could not check: no usable trust file (--trust).",
        ),
        "unreadable": (_I, "无法判定：无法读取文件。", "Could not check: a file could not be read."),
        "file_of_no_document": (
            _I,
            "无法判定：这是一条记录的证据包，没有可与 --file 核对的文件。",
            "Could not check: this is the evidence of a record, there is no document to compare with --file.",
        ),
        # (1) form
        "form_ok": (_P, "证据包格式正确。", "The bundle is well-formed."),
        "form_refused": (_F, "证据包格式错误或已被改动。", "The bundle is malformed or was changed."),
        "unknown_item": (
            _I,
            "无法判定：证据包含有本程序不认识的内容或版本。",
            "Could not check: the bundle holds an item or has a version unknown to this program.",
        ),
        # (2) ledger
        "ledger_ok": (_P, "声明属于受信任的账本。", "The statement belongs to the trusted ledger."),
        "other_ledger": (
            _F,
            "声明属于另一条链或另一份合约，不是受信任的账本。",
            "The statement names another chain or contract than the trusted ledger.",
        ),
        # (3) document
        "document_ok": (
            _P,
            "文件条目是移交内容的第 {number} 份（共 {count} 份）。",
            "The entry is document {number} of {count} in the handover.",
        ),
        "document_count": (
            _F,
            "证明中的文件总数与声明不符。",
            "The proof's tree size differs from the sealed document count.",
        ),
        "documents_root": (_F, "文件条目不在已签章的移交内容中。", "The entry is not part of the sealed handover."),
        # (4) keys
        "keys_ok": (
            _P,
            "建筑、单位工程和五方名册与声明一致。",
            "Building, unit project and roster are those of the statement.",
        ),
        "building_key": (_F, "建筑标识与声明不符。", "The building is not the statement's."),
        "unit_project_key": (_F, "单位工程与声明不符。", "The unit project is not the statement's."),
        "roster_hash": (_F, "五方名册与声明不符。", "The roster is not the statement's."),
        # (5) anchor
        "anchor_attested": (
            _P,
            "城建档案馆声明：已记入第 {block} 块（{time}）。",
            "The archive states: recorded in block {block} ({time}).",
        ),
        "anchor_observed": (
            _P,
            "经您自己的节点查得：已记入第 {block} 块（{time}）。",
            "Seen through your own node: recorded in block {block} ({time}).",
        ),
        "anchor_none": (
            _I,
            "无法判定：证据包没有上链证明。",
            "Could not check: the bundle has no proof of anchoring.",
        ),
        "anchor_level": (
            _I,
            "无法判定：要求的上链证明级别为 {required}，只达到 {reached}。",
            "Could not check: anchor level {required} required, {reached} reached.",
        ),
        "attestation_seal": (
            _F,
            "城建档案馆的上链声明签章无效。",
            "The archive's seal on the anchor attestation does not hold.",
        ),
        "attestation_undecided": (
            _I,
            "无法判定：城建档案馆的上链声明签章未能检查。",
            "Could not check the archive's seal on the anchor attestation.",
        ),
        "archive_not_pinned": (
            _I,
            "无法判定：档案馆签章所用证书不在信任文件中。",
            "Could not check: the archive's seal uses a certificate that the trust file does not pin.",
        ),
        "seals_hash": (
            _F,
            "上链的签章摘要与证据包中的五个签章不符。",
            "The anchored hash of the seals differs from the five seals in the bundle.",
        ),
        "chain_unreachable": (_I, "无法判定：节点无法访问。", "Could not check: the node could not be asked."),
        "wrong_chain": (
            _I,
            "无法判定：节点不在受信任的链上（链号、创世块或合约代码不符）。",
            "Could not check: the node is not on the trusted chain (chain id, genesis or contract code differ).",
        ),
        "not_recorded": (
            _I,
            "无法判定：您的节点上没有这次移交的记录。",
            "Could not check: your node has no record of this submission.",
        ),
        "record_differs": (
            _F,
            "链上的记录与证据包不符。",
            "The record on the chain differs from the bundle.",
        ),
        "attestation_outdated": (
            _I,
            "无法判定：档案馆声明的区块已不在链上，请索取新的声明。",
            "Could not check: the attested block is no longer the recorded one; ask for a new attestation.",
        ),
        "time_in_future": (
            _I,
            "无法判定：上链时间在将来，请检查本机时钟。",
            "Could not check: the block time lies in the future; check this machine's clock.",
        ),
        "proved_clique": (
            _P,
            "凭区块本身证明：记录在第 {block} 块（{time}），"
            "信任文件所列 {total} 个验证者中有 {count} 个签封了其后的区块。"
            "前提：串通的验证者不到 {quorum} 个，且没有用同样的密钥签封另一条链；"
            "Clique 没有不可逆的区块，链尾仍可能重组。",
            "Proved by the block itself: recorded in block {block} ({time}); {count} of the {total} validators that "
            "your trust file pins sealed the blocks that follow. This assumes that fewer than {quorum} of them collude "
            "or seal another chain with the same keys; Clique has no final block, the chain's end may be reorganised.",
        ),
        "proved_qbft": (
            _P,
            "凭区块本身证明：记录在第 {block} 块（{time}），"
            "信任文件所列 {total} 个验证者中有 {count} 个（至少须 {quorum} 个）签封。"
            "前提：不诚实的验证者不足三分之一，且没有用同样的密钥签封另一条链。",
            "Proved by the block itself: recorded in block {block} ({time}), committed to by {count} of the {total} "
            "validators that your trust file pins ({quorum} are needed). This assumes that fewer than a third of them "
            "are dishonest or seal another chain with the same keys.",
        ),
        "proof_refused": (
            _F,
            "区块证明不成立：区块、其后的区块或收据不相符，或已被改动。",
            "The proof of the block does not hold: its header, the blocks after it or the receipt don't fit together.",
        ),
        "proof_event": (
            _F,
            "区块证明中的事件不是这次记录（合约、事件、编号或摘要不符，或交易未成功）。",
            "The proof of the block is of another event: by contract, topic, id or digest, or it did not succeed.",
        ),
        "validators_not_pinned": (
            _I,
            "无法判定：信任文件没有列出该区块的验证者，请索取新的信任文件。",
            "Could not check: the trust file pins no validators for the block; ask for a new trust file.",
        ),
        "validator_unknown": (
            _I,
            "无法判定：区块的签封不出自信任文件所列的验证者，或是同一验证者的第二个。",
            "Could not check: a seal on the block is by none of the pinned validators, or a second one by one of them.",
        ),
        "validators_differ": (
            _I,
            "无法判定：区块出自另一组验证者或不合其轮次，不是信任文件所列的。",
            "Could not check: the block is of other validators than the trust file pins, or not by their turns.",
        ),
        "validator_quorum": (
            _I,
            "无法判定：签封区块的验证者不足。",
            "Could not check: too few of the pinned validators sealed the block.",
        ),
        "proof_elsewhere": (
            _I,
            "无法判定：您的节点所见的区块与区块证明不同，链可能已分叉或重组。",
            "Could not check: your node has it in another block than the proof; the chain may have forked.",
        ),
        # (6) parties
        "parties_ok": (_P, "五方签章全部有效。", "All five seals are valid."),
        "parties_failed": (_F, "{roles}的签章无效。", "Seals that do not hold: {names}."),
        "parties_undecided": (_I, "无法判定{roles}的签章。", "Seals that could not be checked: {names}."),
        "revoked_on_chain": (
            _I,
            "无法判定：链上登记的证书自 {time} 起失效或停用，不晚于已证明的时间。",
            "Could not check: by the registry the certificate was invalid or stopped from {time}, "
            "not after the proven time.",
        ),
        "status_in_future": (
            _I,
            "无法判定：证书状态的时间在将来，请检查本机时钟。",
            "Could not check: the certificate's status is of a time in the future; check this machine's clock.",
        ),
        # (7) deadline
        "deadline_ok": (_P, "在签章期限内记录。", "Recorded within the deadline for sealing."),
        "after_deadline": (_F, "记录时间晚于签章期限。", "Recorded after the deadline for sealing."),
        "deadline_unknown": (
            _I,
            "无法判定：没有已证明的时间。",
            "Could not check: there is no proven time.",
        ),
        # (8) decision of the archive
        "accepted": (
            _P,
            "城建档案馆已接收，总登记号 {number}。",
            "Accepted by the archive under accession number {number}.",
        ),
        "accepted_on_chain": (
            _P,
            "链上状态：城建档案馆已接收。",
            "The chain says: accepted by the archive.",
        ),
        "undecided": (
            _P,
            "城建档案馆尚未作出接收或退回决定（按所见区块）。",
            "The archive has neither accepted nor returned it yet (as of the block seen).",
        ),
        "decision_unknown": (
            _I,
            "无法判定城建档案馆是否已退回：证据包没有接收凭证，也未查链。",
            "Could not check whether the archive returned it: no acceptance in the bundle and the chain was not asked.",
        ),
        "acceptance_not_recorded": (
            _I,
            "无法判定：证据包有接收凭证，链上尚无记录。",
            "Could not check: the bundle holds an acceptance that the chain has not recorded.",
        ),
        "acceptance_seal": (_F, "接收凭证的签章无效。", "The archive's seal on the acceptance does not hold."),
        "acceptance_undecided": (
            _I,
            "无法判定：接收凭证的签章未能检查。",
            "Could not check the archive's seal on the acceptance.",
        ),
        "returned": (
            _F,
            "五方签章与上链属实，但城建档案馆已退回这次移交。",
            "Sealed and anchored, but the archive returned this submission.",
        ),
        "withdrawn": (_F, "这次移交已被撤回。", "This submission was withdrawn."),
        # (9) file
        "file_ok": (
            _P,
            "文件与条目一致（大小、SHA-256、SM3、CID）。",
            "The file is the entry's (size, SHA-256, SM3 and CID).",
        ),
        "file_ok_encrypted": (
            _P,
            "文件与条目一致（大小、SHA-256、SM3）；档案馆保存的是密文，CID 为密文的 CID。",
            "The file is the entry's (size, SHA-256 and SM3); it is kept encrypted, and the CID is of the ciphertext.",
        ),
        "file_envelope": (
            _I,
            "这是该文件的密文（CID 一致）；解密后才能核对内容。",
            "This is the document's ciphertext, by its CID; decrypt it to check the content.",
        ),
        "encryption_unknown": (
            _I,
            "无法判定：条目的加密方式不认识。",
            "The entry's encryption is not known.",
        ),
        "file_differs": (
            _F,
            "文件与条目不符：{members}。",
            "The file differs from the entry in: {members}.",
        ),
        # (12) timestamp
        "timestamp_ok": (
            _P,
            "时间戳有效：五方签章在 {time} 之前已存在。",
            "The timestamp holds: the five seals existed by {time}.",
        ),
        "timestamp_refused": (
            _F,
            "时间戳无效，或不是对这五个签章的时间戳。",
            "The timestamp does not hold, or is over something other than these five seals.",
        ),
        "timestamp_not_pinned": (
            _I,
            "无法判定：信任文件中没有该时间戳机构，请索取新的信任文件。",
            "Could not check: the trust file does not know the timestamp's authority; ask for a new trust file.",
        ),
        "timestamp_in_future": (
            _I,
            "无法判定：时间戳的时间在将来，请检查本机时钟。",
            "Could not check: the timestamp's time lies in the future; check this machine's clock.",
        ),
        # (10) model
        "model_ok": (
            _P,
            "这份文件是移交中已签章的 BIM 模型。",
            "The document is one of the sealed BIM models of the handover.",
        ),
        "bim_root": (_F, "模型条目不在已签章的 BIM 模型中。", "The model entry is not one of the sealed BIM models."),
        "model_file": (
            _F,
            "模型条目所指的是另一份文件。",
            "The model entry is of another file than the document.",
        ),
        # (11) element
        "element_ok": (
            _P,
            "构件 {what} 在这份模型中，内容如所示。",
            "The element {what} is in this model, as shown.",
        ),
        "element_root": (
            _F,
            "构件证明与模型的指纹不符。",
            "The proof of the element does not lead to the fingerprint of the model.",
        ),
        "model_version": (
            _I,
            "无法判定：模型指纹的规则版本不为本程序所知。",
            "Could not check: the fingerprint of the model follows rules unknown to this program.",
        ),
        # Record evidence (ledger.record_verify): (3) record
        "record_ok": (
            _P,
            "记录是该次报送的第 {number} 条（共 {count} 条）。",
            "The record is number {number} of {count} in what was reported.",
        ),
        "record_count": (
            _F,
            "证明中的记录总数与声明不符。",
            "The proof's tree size differs from the sealed record count.",
        ),
        "records_root": (_F, "记录不在已签章的报送内容中。", "The record is not part of what was sealed."),
        # (4) entry
        "entry_ok": (_P, "日志条目所指就是这条记录。", "The log's entry is about this record."),
        "entry_differs": (
            _F,
            "日志条目所指的不是这条记录（{member}）。",
            "The log's entry is about something else ({member}).",
        ),
        # (5) log
        "log_ok": (
            _P,
            "条目是日志的第 {number} 号，在有 {size} 条的检查点之下；检查点由受信任的日志密钥签发。",
            "The entry has index {number} in the log of {size} entries, whose checkpoint the trusted key signed.",
        ),
        "log_origin": (
            _F,
            "检查点属于另一条日志。",
            "The checkpoint is that of another log.",
        ),
        "log_inclusion": (_F, "条目不在检查点之下的日志中。", "The entry is not in the log of the checkpoint."),
        "later_inconsistent": (
            _F,
            "较新的检查点不是由这个检查点增长而来：日志被改写。",
            "The later checkpoint does not begin with this one: the log was rewritten.",
        ),
        "checkpoint_refused": (
            _F,
            "检查点不是由受信任的日志密钥签发，或已被改动。",
            "The checkpoint is not signed by the trusted key of the log, or was changed.",
        ),
        "no_log_key": (
            _I,
            "无法判定：信任文件中没有这条日志的公钥。",
            "Could not check: the trust file does not know the key of this log.",
        ),
        "cosignature_refused": (
            _F,
            "检查点上有受信任见证方的联署，但无效。",
            "A co-signature of a trusted witness on the checkpoint does not hold.",
        ),
        "witness_quorum": (
            _I,
            "无法判定：联署检查点的受信任见证方不足。",
            "Could not check: too few of the trusted witnesses co-signed the checkpoint.",
        ),
        # (6) anchor of a log's head
        "head_observed": (
            _P,
            "经您自己的节点查得：日志头已记入第 {block} 块（{time}）。",
            "Seen through your own node: the log's head is recorded in block {block} ({time}).",
        ),
        "head_attested": (
            _P,
            "{count} 个受信任的见证方联署了检查点（至 {time} 已足数）。",
            "{count} of the trusted witnesses co-signed the checkpoint; there were enough by {time}.",
        ),
        "head_none": (
            _I,
            "无法判定：没有查询节点，也没有受信任见证方的联署；请用 --rpc 指定自己的节点。",
            "Could not check: no node was asked and no trusted witness co-signed; name your own node with --rpc.",
        ),
        "head_not_recorded": (
            _I,
            "无法判定：您的节点上没有这个日志头的记录；可能尚未上链，请稍后索取新的证据包。",
            "Could not check: your node has no record of this head; it may not be anchored yet, ask for a new bundle.",
        ),
        "head_differs": (
            _F,
            "链上记录的日志头与证据包不符：日志被改写。",
            "The head recorded on the chain differs from the bundle's: the log was rewritten.",
        ),
        "witness_in_future": (
            _I,
            "无法判定：见证方联署的时间在将来，请检查本机时钟。",
            "Could not check: the co-signatures are of a time in the future; check this machine's clock.",
        ),
        # (8) event
        "event_ok": (
            _P,
            "重新计算的事件哈希（CBV 2.0）与日志条目一致。",
            "The event's hash (CBV 2.0), computed again, is that of the entry.",
        ),
        "event_differs": (
            _F,
            "重新计算的事件哈希与日志条目不符。",
            "The event's hash, computed again, is not that of the entry.",
        ),
        "event_refused": (_F, "记录不是一个 EPCIS 事件。", "The record is no EPCIS event."),
        "event_uncheckable": (
            _I,
            "无法判定：本机没有安装计算事件哈希的组件（yunshang[supply]）。",
            "Could not check: what computes event hashes is not installed here (extra `supply`).",
        ),
    }
)
