//! What NVRTC makes of the kernels; no GPU is needed.

use crate::cuda::kernels::{NAMES, compile};

#[test]
#[ignore = "needs NVRTC: run scripts/compile_kernels.sh"]
fn kernels_compile() {
    for architecture in ["75", "80", "90"] {
        let ptx = compile(&format!("compute_{architecture}")).unwrap();
        let text = String::from_utf8_lossy(&ptx.image);
        assert_eq!(ptx.log.trim(), "", "warnings");
        assert!(text.contains(&format!(".target sm_{architecture}")), "{text}");
        for name in NAMES {
            assert!(text.contains(&format!(".entry {name}(")), "no kernel {name} for {architecture}");
        }
        let machine_code = compile(&format!("sm_{architecture}")).unwrap();
        assert!(machine_code.image.starts_with(b"\x7fELF"));
        println!("{} kernels, {} bytes of PTX for {architecture}", NAMES.len(), ptx.image.len());
    }
    let error = compile("compute_1").err().unwrap();
    assert!(format!("{error:#}").contains("compute_1"), "{error:#}");
}
