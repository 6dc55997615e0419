"""The publication request 《信息发布申请表》: form, revisions, state."""
