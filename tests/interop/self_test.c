/* Runs the self-test of an exported model, which the compiler's command line includes. */
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
int main(void) { return JOIN(NAME, _self_test)(); }
