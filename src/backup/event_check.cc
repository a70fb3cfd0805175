#include "backup/event_check.h"

namespace holdfast {

Result<EventCheck::Verdict> EventCheck::look_at(const SourceEvent& event) {
    const bool is_enter = event.kind == SourceEventKind::enter;
    if (event.kind == SourceEventKind::problem) return Verdict::take;
    if (event.kind == SourceEventKind::leave) {
        if (passed_over_ > 0) {
            --passed_over_;
            return Verdict::below_what_is_too_deep;
        }
        if (last_names_.empty()) return Error(ErrorCode::corrupt, "the source leaves a directory that it has not entered");
        last_names_.pop_back();
        return Verdict::take;
    }
    if (passed_over_ > 0) {
        passed_over_ += is_enter ? 1 : 0;
        return Verdict::below_what_is_too_deep;
    }
    if (!last_names_.empty()) {
        std::string& last = last_names_.back();
        if (!is_valid_name(event.name) || (!last.empty() && event.name <= last))
            return Error(ErrorCode::corrupt, "the source tells names twice, out of order, or such as are none: '" + event.name + "'");
        last = event.name;
    }
    if (!is_enter) return Verdict::take;
    if (last_names_.size() >= max_directory_depth) {
        passed_over_ = 1;
        return Verdict::too_deep;
    }
    last_names_.emplace_back();
    return Verdict::take;
}

Status check_xattrs(const std::vector<ExtendedAttribute>& xattrs) {
    const std::string* last = nullptr;
    for (const ExtendedAttribute& attribute : xattrs) {
        if (!is_valid_attribute_name(attribute.name) || (last != nullptr && attribute.name <= *last))
            return Error(ErrorCode::unsupported, "it has an attribute that cannot be kept: '" + attribute.name.substr(0, 64) + "'");
        last = &attribute.name;
    }
    return {};
}

}  // namespace holdfast
