#include "config/value.h"

namespace holdfast {

std::string ConfigPlace::text() const {
    std::string result = file;
    if (line != 0) result += ':' + std::to_string(line) + ':' + std::to_string(column);
    return result;
}

std::string ConfigIssue::describe() const {
    return place.text() + ": " + text;
}

const char* ConfigValue::type_name() const {
    switch (type) {
        case Type::text: return "a text";
        case Type::integer: return "a number";
        case Type::boolean: return "true or false";
        case Type::list: return "a list";
        case Type::table: return "a table";
        case Type::other: break;
    }
    return "a date or a fraction";
}

}  // namespace holdfast
