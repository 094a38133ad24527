"""The titles of problem codes: Chinese first, then English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["title_of"]

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "accession_number_taken": ("总登记号已被使用", "The accession number is taken"),
    "base64_not_canonical": ("base64 编码不规范", "The base64 does not re-encode to itself"),
    "bim_change": ("BIM变更记录没有指明两个模型", "A change record does not name its two models"),
    "building_exists": ("该房屋建筑已登记", "The building is registered already"),
    "building_identifier": ("房屋建筑标识不符合其编码规则", "The building identifier breaks its scheme's rules"),
    "building_scheme": ("未知的标识编码体系", "The identifier scheme is unknown"),
    "certificate_expired": ("证书不在有效期内", "The certificate is not within its validity"),
    "certificate_not_registered": ("证书尚未登记上链", "The certificate is not registered on chain"),
    "certificate_registered": ("该证书已登记", "The certificate is registered already"),
    "certificate_revoked": ("证书已吊销", "The certificate is revoked"),
    "change_record_too_large": ("两个模型的变更过多，无法作记录", "Too much changed between the models for a record"),
    "check_digit": ("统一社会信用代码校验位不正确", "The organisation code's check digit is wrong"),
    "commitment_mismatch": ("承诺值与服务器收到的文件不一致", "A commitment disagrees with the files received"),
    "conflict": ("当前状态不允许此操作", "The present state does not allow this"),
    "content_mismatch": ("文件内容与登记的条目不一致", "The content differs from its entry"),
    "content_missing": ("仍有文件未上传", "Content is still missing"),
    "control_character": ("文字中有控制字符", "A text has a control character"),
    "cross_site": ("拒绝来自其他网站的请求", "Requests of other sites are refused"),
    "cursor_malformed": ("翻页游标无效", "The cursor is not valid"),
    "decision_exists": ("已有最终决定", "There is a final decision already"),
    "duplicate_global_id": (
        "该 GlobalId 在模型中重复，不能单独取证",
        "The GlobalId occurs more than once: no proof of it",
    ),
    "duplicate_path": ("路径重复", "A path appears twice"),
    "element_not_found": ("模型中没有这个构件", "The model has no such element"),
    "empty_submission": ("没有任何文件", "There is no document"),
    "engine_unreachable": ("后台引擎暂时无法连接", "An engine could not be reached"),
    "entries_order": ("条目未按路径排序", "The entries are not in path order"),
    "host_unknown": ("请求的主机名不是本服务器", "The host is not this server"),
    "idempotency_key_reused": ("幂等键已用于另一请求", "The Idempotency-Key was used for another body"),
    "internal_error": ("服务器内部错误", "Internal error"),
    "invalid_seal": ("电子印章验证未通过", "The e-seal does not verify"),
    "joint_appointment": ("一个单位兼任两方而未申报", "One organisation in two roles, not declared as joint"),
    "key_registered": ("该公钥已登记", "The public key is registered already"),
    "malformed": ("请求格式不正确", "The request is malformed"),
    "media_type": ("请求的媒体类型不正确", "The media type is not the one expected"),
    "method_not_allowed": ("不支持此方法", "The method is not allowed"),
    "mismatch": ("数据不一致", "Two values disagree"),
    "model_busy": ("正在比较其他模型，请稍后再试", "Other models are being compared; ask again"),
    "model_index_pending": ("模型索引正在建立，请稍后再试", "The model's index is being made; ask again"),
    "model_limits": ("模型过大，超出读取的时间或内存限制", "The model needs more time or memory than is allowed"),
    "model_process": ("读取模型的进程异常结束，请稍后再试", "The process that reads the model died; ask again"),
    "model_unreadable": ("模型不能读取，没有指纹", "The model cannot be read and has no fingerprint"),
    "no_predecessor": ("没有先前阶段的模型", "No model comes before this one"),
    "not_a_model": ("该文件不是已签章的 BIM 模型", "The document is not a sealed BIM model"),
    "not_found": ("没有找到", "Not found"),
    "number_out_of_range": ("数值超出范围", "A number is out of range"),
    "organisation_code": ("统一社会信用代码格式不正确", "The organisation code is malformed"),
    "organisation_name_mismatch": ("单位名称与证书不一致", "The organisation's name differs from its certificate"),
    "quota_exceeded": ("超过配额，请先办结进行中的移交", "The quota is used up: finish what is under way"),
    "refused": ("不符合规则", "Refused by a rule"),
    "relation_unknown": ("关联的移交批次不存在", "The related submission is unknown"),
    "role_mismatch": ("印章不属于该责任主体", "The seal is not that party's"),
    "roster_unknown": ("单位工程尚未登记五方名册", "The unit project has no roster yet"),
    "seal_by_out_of_range": ("盖章截止时间不合理", "The sealing deadline is out of range"),
    "seal_by_passed": ("已过盖章截止时间", "The sealing deadline has passed"),
    "seal_exists": ("该方已盖章", "This party has sealed already"),
    "state": ("当前状态不允许此操作", "The present state does not allow this"),
    "statement_changed": ("存储的声明与其编号不符", "The stored statement is not the one sealed"),
    "statement_withdrawn": ("该声明已撤回", "The statement has been withdrawn"),
    "storage_full": ("存储空间不足", "No room is left on the disk"),
    "submission_open": ("该单位工程已有待完成的移交批次", "The unit project has an open submission already"),
    "header_too_large": ("请求头过大", "The request's headers are too large"),
    "too_large": ("内容超过限制", "Too large"),
    "too_many_requests": ("请求过于频繁，请稍后再试", "Too many requests: wait and ask again"),
    "too_slow": ("请求发送过慢，已中止，请重试", "The request came too slowly: send it again"),
    "unit_project_exists": ("该单位工程已登记", "The unit project is registered already"),
    "unsafe_path": ("路径不安全", "The path is not safe"),
    "upload_busy": ("该文件正在上传", "The upload is being written to"),
    "upload_gone": ("上传已过期，请重新上传", "The upload has expired: begin again"),
    "upload_length": ("上传长度与条目不符", "The upload's length is not the entry's"),
    "upload_version": ("上传协议版本不受支持", "The upload protocol's version is not supported"),
}

_BY_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("请求不正确", "Bad request"),
    404: TITLES["not_found"],
    409: TITLES["conflict"],
    413: TITLES["too_large"],
    422: TITLES["refused"],
    503: TITLES["engine_unreachable"],
    507: TITLES["storage_full"],
}


def title_of(code: str, status: int) -> tuple[str, str]:
    """The title of a code in Chinese and English; of its status where the code has none of its own."""
    return TITLES.get(code) or _BY_STATUS.get(status) or TITLES["internal_error" if status >= 500 else "refused"]
