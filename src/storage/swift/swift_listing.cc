#include "storage/swift/swift_listing.h"

#include <nlohmann/json.hpp>

namespace holdfast {

Result<std::vector<ObjectInfo>> parse_swift_listing(std::string_view text,
                                                    const std::string& prefix,
                                                    const std::string& marker) {
    const auto damaged = [](const std::string& what) {
        return Error(ErrorCode::corrupt, "a listing is not what it should be: " + what);
    };
    // Without content there may be no JSON.
    if (text.empty()) return damaged("it is empty");
    const auto document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_array()) return damaged("it is no list");
    std::vector<ObjectInfo> objects;
    for (const auto& entry : document) {
        if (!entry.is_object()) return damaged("an entry is no object");
        const auto name = entry.find("name"), bytes = entry.find("bytes");
        if (name == entry.end() || !name->is_string()) return damaged("an entry without a name");
        ObjectInfo info;
        info.name = name->get<std::string>();
        if (bytes == entry.end() || !bytes->is_number_unsigned()) return damaged("no size of " + info.name);
        info.bytes = bytes->get<std::uint64_t>();
        if (!info.name.starts_with(prefix)) return damaged(info.name + " is not below " + prefix);
        if (info.name <= (objects.empty() ? marker : objects.back().name))
            return damaged(info.name + " is not in order");
        objects.push_back(std::move(info));
    }
    return objects;
}

}  // namespace holdfast
