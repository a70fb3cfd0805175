#include "storage/rados/rados_library.h"

#include <dlfcn.h>

namespace holdfast {
namespace {

constexpr const char* file_name = "librados.so.2";

Result<RadosLibrary> open_library() {
    // Never closed: its threads would have nothing to run any more.
    void* const handle = ::dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        return Error(ErrorCode::unsupported, std::string("librados2 is not installed (") + file_name + ')');
    std::string missing;
    const auto find = [handle, &missing](const char* name, auto& function) {
        void* const found = ::dlsym(handle, name);
        if (found == nullptr) missing = name;
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
    };
    RadosLibrary library;
    find("rados_create2", library.create2);
    find("rados_conf_read_file", library.conf_read_file);
    find("rados_conf_parse_env", library.conf_parse_env);
    find("rados_conf_get", library.conf_get);
    find("rados_conf_set", library.conf_set);
    find("rados_connect", library.connect);
    find("rados_shutdown", library.shutdown);
    find("rados_ioctx_create", library.ioctx_create);
    find("rados_ioctx_destroy", library.ioctx_destroy);
    find("rados_ioctx_set_namespace", library.ioctx_set_namespace);
    find("rados_aio_create_completion2", library.aio_create_completion2);
    find("rados_aio_wait_for_complete", library.aio_wait_for_complete);
    find("rados_aio_get_return_value", library.aio_get_return_value);
    find("rados_aio_release", library.aio_release);
    find("rados_aio_cancel", library.aio_cancel);
    find("rados_aio_stat", library.aio_stat);
    find("rados_aio_read", library.aio_read);
    find("rados_aio_write_op_operate", library.aio_write_op_operate);
    find("rados_create_write_op", library.create_write_op);
    find("rados_release_write_op", library.release_write_op);
    find("rados_write_op_create", library.write_op_create);
    find("rados_write_op_assert_exists", library.write_op_assert_exists);
    find("rados_write_op_write_full", library.write_op_write_full);
    find("rados_write_op_remove", library.write_op_remove);
    find("rados_nobjects_list_open", library.nobjects_list_open);
    find("rados_nobjects_list_next2", library.nobjects_list_next2);
    find("rados_nobjects_list_close", library.nobjects_list_close);
    if (!missing.empty())
        return Error(ErrorCode::unsupported, std::string(file_name) + " has no function " + missing);
    return library;
}

}  // namespace

Result<const RadosLibrary*> RadosLibrary::load() {
    static const Result<RadosLibrary> library = open_library();
    if (!library.ok()) return library.error();
    return &library.value();
}

}  // namespace holdfast
