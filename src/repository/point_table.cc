#include "repository/point_table.h"

namespace holdfast {

IndexFragmentRecord fragment_of_point(const PointName& name,
                                      const EnvelopeHeader& header,
                                      const ObjectTable& table,
                                      std::uint64_t object_bytes) {
    IndexFragmentRecord record;
    if (table.chunks.empty()) return record;
    record.containers.push_back({header, {}, name.source, name.inverted_time, object_bytes});
    record.chunks = locations_of(table, header, 0);
    sort_chunks(record.chunks);
    return record;
}

bool is_one_points_matter(const Error& error) {
    return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported ||
           error.code() == ErrorCode::not_found;
}

}  // namespace holdfast
